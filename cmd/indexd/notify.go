package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// signals gives the signals that indexd acts on: SIGTERM and SIGINT end it, a
// second one at once, SIGHUP has it read its configuration again.
type signals struct {
	all    chan os.Signal
	ending bool
}

func catchSignals() *signals {
	s := &signals{all: make(chan os.Signal, 8)}
	signal.Notify(s.all, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	return s
}

func (s *signals) stop() { signal.Stop(s.all) }

// end says that indexd is ending: from now on a signal to end does it at once,
// wherever everybody is. The database is made for that.
func (s *signals) end() {
	if s.ending {
		return
	}
	s.ending = true
	go func() { // until the process ends
		for sig := range s.all {
			if n, ok := sig.(syscall.Signal); ok && n != unix.SIGHUP {
				os.Exit(128 + int(n))
			}
		}
	}()
}

// notifier tells systemd how things are, if it started us.
type notifier struct {
	log  *slog.Logger
	deaf sync.Once // so that it is said once

	mu      sync.Mutex
	status  string // as last told
	well    string // as it would be without trouble
	trouble string // why the index cannot be written; "": it can
}

func (n *notifier) tell(lines ...string) {
	if _, err := sd.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		n.deaf.Do(func() { n.log.Warn("systemd cannot be told how things are", "err", err) })
	}
}

// Each of these is a state of a unit of Type=notify or notify-reload.

func (n *notifier) ready()    { n.tell(sd.SdNotifyReady) }
func (n *notifier) stopping() { n.tell(sd.SdNotifyStopping, "STATUS=Stopping.") }

// watched is how often systemd wants to hear that all is well, at least; 0: it
// does not.
func (n *notifier) watched() time.Duration {
	d, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("no watchdog", "err", err)
	}
	return d
}

func (n *notifier) alive() { n.tell(sd.SdNotifyWatchdog) }

func (n *notifier) reloading() {
	var now unix.Timespec
	// It cannot fail, and systemd wants the moment itself.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	n.tell(sd.SdNotifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
}

// say sets the line that systemctl status shows while all is well.
func (n *notifier) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.well = fmt.Sprintf(format, args...)
	n.show()
}

// degraded makes trouble what is shown, "": what say said last.
func (n *notifier) degraded(why string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trouble = why
	n.show()
}

// show tells what is to be shown, if that is news. Called under mu.
func (n *notifier) show() {
	text := n.well
	if n.trouble != "" {
		text = "Degraded: " + n.trouble
	}
	if text != n.status {
		n.status = text
		n.tell("STATUS=" + text)
	}
}
