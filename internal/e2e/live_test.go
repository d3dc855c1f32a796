package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"indexd/internal/testutil/fsstress"
	"indexd/internal/testutil/scale"
)

// synced compares find --sync with find(1): names, types, modes, sizes, times and inodes.
// want is the output of find(1) if it is known, else nil.
func (d *daemon) synced(root string, want []string) {
	d.t.Helper()
	out, errs, status := d.ctl("find", "--sync=3m", "--json", "--in", root)
	if status > 1 || errs != "" {
		d.t.Fatalf("status %d: %s\n%s", status, errs, d.stderr)
	}
	var have []string
	for rows := json.NewDecoder(strings.NewReader(out)); rows.More(); {
		var e struct {
			Path, Type, Mode string
			Size             int64
			Inode            uint64
			Mtime            time.Time
		}
		if err := rows.Decode(&e); err != nil {
			d.t.Fatal(err)
		}
		have = append(have, fmt.Sprintf("%s %s %s %d %d.%09d0 %d", e.Path, e.Type,
			strings.TrimLeft(e.Mode, "0"), e.Size, e.Mtime.Unix(), e.Mtime.Nanosecond(), e.Inode))
	}
	slices.Sort(have)
	if want == nil {
		want = fsstress.Find(d.t, root, fsstress.Full)
	}
	fsstress.Same(d.t, have, want)
}

func treeOf(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// While the daemon is stopped, the tree is turned upside down. After it continues, the
// first answer is right.
func TestStoppedAndContinued(t *testing.T) {
	root := treeOf(t)
	sh := func(script string) {
		t.Helper()
		cmd := exec.Command("sh", "-ec", script)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", script, err, out)
		}
	}
	sh(`mkdir -p foo/a/b bar/c swap1/x swap2/y deep/1/2/3/4; touch foo/f bar/g swap1/x/1 swap2/y/2`)
	d := start(t, "", root)
	if _, errs, status := d.ctl("wait", "--ready"); status != 0 {
		t.Fatal(errs)
	}
	d.synced(root, nil)
	many := `i=0; while [ $i -lt 30 ]; do mkdir -p many/$i; (cd many/$i; seq 1000 | xargs touch); i=$((i+1)); done`
	scripts := []string{
		`rm -r bar; mv foo bar; ln -s bar foo; touch bar/a/b/new`,
		`mv swap1 tmp; mv swap2 swap1; mv tmp swap2; touch swap1/y/n1 swap2/x/n2`,
		`mv deep/1/2 up; mv up/3/4 deep/1/four; mkdir -p up/3/4; touch up/3/4/f deep/1/four/g`,
		`chmod 000 bar/a; chmod 755 bar/a; mkdir bar/a/after`,
		many, // more than the kernel's queue holds
		`mv many less; rm -r less/1*; mkdir many; mv less/2 many/`,
	}
	if !scale.Long() { // an overflow happens in TestRandomStorm too
		scripts = slices.DeleteFunc(scripts, func(s string) bool { return strings.Contains(s, "many") })
	}
	for _, script := range scripts {
		d.signal(syscall.SIGSTOP)
		func() {
			defer d.signal(syscall.SIGCONT) // also where the script fails
			sh(script)
		}()
		d.synced(root, nil)
		sh(`touch bar/a/b/last-$$; mkdir -p other/3/$$`)
		d.synced(root, nil)
	}
}

// Several writers run, files are written continuously, and now and then an answer must be
// right: normally, with a queue that overflows all the time, and with a daemon that is
// stopped.
func TestRandomStorm(t *testing.T) {
	for name, with := range map[string]struct {
		queue   int
		stopped bool
	}{"as it is": {}, "small queue": {queue: 32}, "stopped": {stopped: true}} {
		t.Run(name, func(t *testing.T) {
			seed := fsstress.Seed(t)
			root, outside := treeOf(t), treeOf(t)
			var d *daemon
			begin := func() {
				d = start(t, "", root)
				d.ready()
			}
			if with.queue > 0 {
				fsstress.SmallQueue(t, with.queue, begin)
			} else {
				begin()
			}
			if err := os.Mkdir(root+"/logs", 0o755); err != nil {
				t.Fatal(err)
			}
			const perRound = 1500
			for round := range max(fsstress.Ops(t, 1500, 6000)/perRound, 1) {
				if with.stopped {
					d.signal(syscall.SIGSTOP)
				}
				over := make(chan struct{})
				var logs sync.WaitGroup
				logs.Go(func() { writeLogs(t, root+"/logs", over) })
				fsstress.Blow(seed+uint64(round), 3, perRound, root, outside)
				close(over)
				logs.Wait()
				d.signal(syscall.SIGCONT)
				d.synced(root, nil)
			}
			if out, errs, status := d.ctl("check"); status != 0 {
				t.Errorf("check: %s %s", out, errs)
			}
			if n := d.status(t).Watch.Overflows; with.queue > 0 && n == 0 {
				t.Error("there was no overflow")
			} else {
				t.Log(n, "overflows")
			}
		})
	}
}

// writeLogs appends to three files without a pause.
func writeLogs(t *testing.T, dir string, over <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-over:
			return
		default:
		}
		f, err := os.OpenFile(fmt.Sprintf("%s/%d.log", dir, i%3), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = f.WriteString("a line\n")
		_ = f.Close()
	}
}

// A change shows within a moment in answers that do not wait for it.
func TestSeenUnasked(t *testing.T) {
	root := treeOf(t)
	d := start(t, "", root)
	if _, errs, status := d.ctl("wait", "--ready"); status != 0 {
		t.Fatal(errs)
	}
	if err := os.MkdirAll(root+"/a/b/c", 0o755); err != nil {
		t.Fatal(err)
	}
	d.until("it shows", func() bool {
		out, _, _ := d.ctl("find", "--in", root, "c")
		return out == root+"/a/b/c\n"
	})
}

// If the kernel allows no watches, few, or no instance, from the start or from some time
// on, the daemon runs, reports it, and its answers are as right as otherwise.
func TestNoWatches(t *testing.T) {
	for _, c := range []struct {
		setting, at, later string
		backend            string // as status says
	}{
		{"max_inotify_watches", "0", "0", "off"},
		{"max_inotify_watches", "10", "10", "inotify"},
		{"max_inotify_watches", "1000", "10", "inotify"}, // crossed
		{"max_inotify_instances", "0", "0", "off"},
	} {
		t.Run(c.setting+"="+c.at+" "+c.later, func(t *testing.T) {
			t.Parallel()
			root := treeOf(t)
			setting := "/proc/sys/user/" + c.setting
			if out, err := exec.Command("unshare", "-U", "-r", "sh", "-c", "echo 1000 > "+setting).CombinedOutput(); err != nil {
				t.Skipf("no user namespaces here: %v %s", err, out)
			}
			d := newDaemon(t, "", root)
			d.runBy("unshare", "-U", "-r", "sh", "-c", "echo "+c.at+" > "+setting+`; exec "$@"`, "sh")
			defer d.end(syscall.SIGTERM)
			d.ready()
			w := fsstress.NewWriter(1, 2, root, treeOf(t))
			for round := range 5 {
				if round == 2 && c.later != c.at {
					enter := []string{"-t", strconv.Itoa(d.cmd.Process.Pid), "-U", "--preserve-credentials", "--"}
					enter = append(enter, "sh", "-c", "echo "+c.later+" > "+setting)
					if out, err := exec.Command("nsenter", enter...).CombinedOutput(); err != nil {
						t.Fatalf("%v %s", err, out)
					}
				}
				if err := os.MkdirAll(fmt.Sprintf("%s/more/%d/a/b/c/d/e/f/g/h", root, round), 0o755); err != nil {
					t.Fatal(err)
				}
				w.Times(150)
				d.synced(root, nil)
			}
			s := d.status(t)
			if s.Watch.Backend != c.backend || s.Roots[0].State != "swept" || (s.Watch.Reason != "") != (c.backend == "off") {
				t.Errorf("%+v %+v", s.Watch, s.Roots)
			}
			if c.backend != "off" && (s.Watch.Sysctl == "" || s.Watch.Limit >= s.Watch.Needed) {
				t.Errorf("%+v", s.Watch)
			}
			if out := d.must("status"); !strings.Contains(out, s.Watch.Reason) {
				t.Errorf("%s", out)
			}
		})
	}
}
