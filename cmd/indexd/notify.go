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

// signals receives the signals that indexd handles: SIGTERM and SIGINT end it, a second one
// immediately, and SIGHUP reloads the configuration.
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

// end declares that indexd is ending. From now on, another SIGTERM or SIGINT ends the process
// immediately. That is safe because the database survives a kill at any point.
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

// notifier sends the state of the daemon to systemd if the daemon runs as its service.
type notifier struct {
	log      *slog.Logger
	warnOnce sync.Once

	mu     sync.Mutex
	sent   string // the status that was sent last
	status string // of normal operation
	reason string // why the index cannot be written; empty if it can
}

func (n *notifier) send(lines ...string) {
	if _, err := sd.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		n.warnOnce.Do(func() { n.log.Warn("cannot notify systemd", "err", err) })
	}
}

func (n *notifier) ready()    { n.send(sd.SdNotifyReady) }
func (n *notifier) stopping() { n.send(sd.SdNotifyStopping, "STATUS=Stopping.") }
func (n *notifier) ping()     { n.send(sd.SdNotifyWatchdog) }

func (n *notifier) reloading() {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // cannot fail
	n.send(sd.SdNotifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", now.Nano()/1000))
}

// watchdogLimit returns the longest time between two pings that systemd allows, or 0 if it
// expects none.
func (n *notifier) watchdogLimit() time.Duration {
	d, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("no watchdog", "err", err)
	}
	return d
}

// setStatus sets the line that systemctl status shows during normal operation.
func (n *notifier) setStatus(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status = fmt.Sprintf(format, args...)
	n.sendStatus()
}

// setDegraded shows why the index cannot be written instead of the normal status. An empty
// reason restores the normal status.
func (n *notifier) setDegraded(reason string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reason = reason
	n.sendStatus()
}

// sendStatus sends the current status if it has changed. n.mu must be held.
func (n *notifier) sendStatus() {
	text := n.status
	if n.reason != "" {
		text = "Degraded: " + n.reason
	}
	if text != n.sent {
		n.sent = text
		n.send("STATUS=" + text)
	}
}
