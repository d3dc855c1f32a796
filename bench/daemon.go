package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"indexd/ipc"
	"indexd/ipc/wire"
)

// daemon is an indexd started by this run.
type daemon struct {
	cmd    *exec.Cmd
	db     string
	socket string
	client *ipc.Client
	err    *strings.Builder
}

// start starts indexd with a database of that name, which is created if it does not
// exist.
func (b *bench) start(name string, args ...string) (*daemon, error) {
	return b.startOf(filepath.Dir(b.bin("indexd")), name, args...)
}

// startOf is start for the build in the directory bin.
func (b *bench) startOf(bin, name string, args ...string) (*daemon, error) {
	d := &daemon{db: filepath.Join(b.dir, name+".db"), socket: filepath.Join(b.dir, name+".sock"), err: new(strings.Builder)}
	d.client = &ipc.Client{Sockets: []string{d.socket}}
	args = append([]string{"--config", "/dev/null", "--db", d.db, "--socket", d.socket, "--log-level", "error", "--watch", "off"}, args...)
	words := append(append(b.before[:len(b.before):len(b.before)], filepath.Join(bin, "indexd")), args...)
	d.cmd = exec.CommandContext(b.ctx, words[0], words[1:]...)
	d.cmd.Stderr = d.err
	return d, d.cmd.Start()
}

// ready waits until every root is listed completely and committed.
func (d *daemon) ready(ctx context.Context) error {
	if err := d.answers(ctx); err != nil {
		return err
	}
	return d.client.Wait(ctx, true)
}

// begun waits until the daemon is ready with a database that is known to be intact. If it
// is damaged, a new one is started, during which the daemon may not answer for a moment.
func (d *daemon) begun(ctx context.Context) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		err := d.ready(ctx)
		if err == nil {
			status, serr := d.client.Status(ctx)
			sure := serr == nil && status.Ready
			for i := range status.Roots {
				sure = sure && status.Roots[i].State != wire.RootReconciling
			}
			if sure {
				return nil
			}
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("indexd is not ready: %w: %s", err, d.err)
		}
	}
}

// merged waits until the daemon is ready and all names are in the trigram index.
func (d *daemon) merged(ctx context.Context) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		status, err := d.client.Status(ctx)
		if err != nil || status.DB.Fresh == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d directories are not merged: %s", status.DB.Fresh, d.err)
		}
	}
}

// answers waits for the socket.
func (d *daemon) answers(ctx context.Context) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		_, err := d.client.Jobs(ctx)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("indexd does not answer: %w: %s", err, d.err)
		}
	}
}

// stop ends the daemon and waits for it.
func (d *daemon) stop() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("indexd: %w: %s", err, d.err)
	}
	return nil
}

// proc returns a number, in kB, from the daemon's /proc/PID/status.
func (d *daemon) proc(field string) int { return procOf(d.cmd.Process.Pid, field) }

func procOf(pid int, field string) int {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return 0
}

// cpuOf returns the processor time used by a process so far, including threads that
// ended, in steps of 10 ms.
func cpuOf(pid int) time.Duration {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(data), ") ") // behind the name
	var sum time.Duration
	if f := strings.Fields(rest); len(f) > 12 {
		for _, s := range f[11:13] { // user, system
			n, _ := strconv.Atoi(s)
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}

// peak samples RssAnon until stop is called, which returns the maximum in MiB.
func (d *daemon) peak() (stop func() float64) {
	quit, most := make(chan struct{}), make(chan int)
	go func() {
		m := 0
		for {
			m = max(m, d.proc("RssAnon"))
			select {
			case <-quit:
				most <- m
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() float64 { close(quit); return float64(<-most) / 1024 }
}
