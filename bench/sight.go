package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// nobody is a user who may see nearly all of most trees.
const nobody = 65534

// sight makes the same requests as root, who may see everything, and as a user who may
// see nearly everything, in turn: right after another request, when all stats have
// expired, and for the first time since the daemon started. It measures whole processes
// and the daemon's CPU time.
func (b *bench) sight() error {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "to ask as another user needs root: left out")
		return nil
	}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	d, err := b.start("sight", b.tree)
	if err != nil {
		return err
	}
	defer func() { d.stop() }()
	if err := d.merged(b.ctx); err != nil {
		return err
	}
	status, err := d.client.Status(b.ctx)
	if err != nil {
		return err
	}
	counts := make(map[uint32]string)
	for _, uid := range []uint32{0, nobody} {
		out, err := b.findBy(d, uid, "-c").Output()
		if err != nil {
			return err
		}
		counts[uid] = strings.TrimSpace(string(out))
	}
	fmt.Printf("%d entries in %d directories; root sees %s, uid %d %s.\n\n", status.Entries, status.Dirs, counts[0], nobody, counts[nobody])
	fmt.Println("| `a`, whole processes | root | user | user / root | at most | processor time of indexd |")
	fmt.Println("| --- | --- | --- | --- | --- | --- |")
	for _, kind := range []struct {
		name string
		most float64
		prep func() error
	}{
		{"warm", 1.3, func() error {
			time.Sleep(2 * time.Second) // so that what is found now does not grow old meanwhile
			return b.findBy(d, nobody, "-c", "a").Run()
		}},
		{"after two seconds", 4, func() error { time.Sleep(2 * time.Second); return nil }},
		{"the first time", 4, func() (err error) {
			if err := d.stop(); err != nil {
				return err
			}
			if d, err = b.start("sight", b.tree); err != nil {
				return err
			}
			if err := d.merged(b.ctx); err != nil {
				return err
			}
			return d.client.Wait(b.ctx, false) // not while it reconciles
		}},
	} {
		for _, args := range [][]string{{"-c", "a"}, {"a"}} {
			var took, used [2][]time.Duration
			for range b.pairs {
				if err := kind.prep(); err != nil {
					return err
				}
				// Root's request leaves nothing that helps the user's, except a warm
				// database.
				for i, uid := range []uint32{0, nobody} {
					was := d.used()
					t, err := timed(b.findBy(d, uid, args...))
					if err != nil {
						return err
					}
					took[i], used[i] = append(took[i], t), append(used[i], d.used()-was)
				}
			}
			fmt.Printf("| `find %s`, %s | %s | %s | **%.3g** | %g | %s, %s: **%.3g** |\n", strings.Join(args, " "), kind.name,
				show(median(took[0])), show(median(took[1])), ratio(took[1], took[0]), kind.most,
				show(median(used[0])), show(median(used[1])), ratio(used[1], used[0]))
		}
	}
	return nil
}

// findBy is a find run by a user.
func (b *bench) findBy(d *daemon, uid uint32, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(b.ctx, b.bin("indexctl"), append([]string{"--socket", d.socket, "find"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd
}

// used returns the CPU time that the daemon has used.
func (d *daemon) used() time.Duration {
	var sum time.Duration
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", d.cmd.Process.Pid))
	for _, t := range tasks {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", d.cmd.Process.Pid, t.Name()))
		ns, _, _ := strings.Cut(string(data), " ")
		n, _ := strconv.ParseInt(ns, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}
