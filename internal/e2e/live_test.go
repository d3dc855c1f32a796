package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// synced compares find --sync with find(1).
func (d *daemon) synced(root string) {
	d.t.Helper()
	out, errs, status := d.ctl("find", "--sync=60s", "-0", "--in", root)
	if status > 1 || errs != "" {
		d.t.Fatalf("status %d: %s\n%s", status, errs, d.stderr)
	}
	want, err := exec.Command("find", root, "-mindepth", "1", "-print0").Output()
	if err != nil {
		d.t.Fatal(err)
	}
	have, all := strings.Split(out, "\x00"), strings.Split(string(want), "\x00")
	slices.Sort(have)
	slices.Sort(all)
	if !slices.Equal(have, all) {
		d.t.Fatalf("%d paths, find(1) has %d:\n%.500q\n%.500q", len(have)-1, len(all)-1, have, all)
	}
}

func treeOf(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// While the daemon is stopped the tree is turned upside down; when it goes on,
// the first answer is right.
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
	d.synced(root)
	many := `i=0; while [ $i -lt 30 ]; do mkdir -p many/$i; (cd many/$i; seq 1000 | xargs touch); i=$((i+1)); done`
	for _, script := range []string{
		`rm -r bar; mv foo bar; ln -s bar foo; touch bar/a/b/new`,
		`mv swap1 tmp; mv swap2 swap1; mv tmp swap2; touch swap1/y/n1 swap2/x/n2`,
		`mv deep/1/2 up; mv up/3/4 deep/1/four; mkdir -p up/3/4; touch up/3/4/f deep/1/four/g`,
		`chmod 000 bar/a; chmod 755 bar/a; mkdir bar/a/after`,
		many, // more than the kernel's queue holds
		`mv many less; rm -r less/1*; mkdir many; mv less/2 many/`,
	} {
		if err := d.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		func() {
			defer d.cmd.Process.Signal(syscall.SIGCONT) // also where the script fails
			sh(script)
		}()
		d.synced(root)
		sh(`touch bar/a/b/last-$$; mkdir -p other/3/$$`)
		d.synced(root)
	}
}

// Several writers, and now and then an answer that has to be right.
func TestRandomStorm(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	root := treeOf(t)
	d := start(t, "", root)
	if _, errs, status := d.ctl("wait", "--ready"); status != 0 {
		t.Fatal(errs)
	}
	for round := range 10 {
		var wg sync.WaitGroup
		for w := range 3 {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, uint64(round*3+w)))
				for range 500 {
					disturb(rnd, root)
				}
			})
		}
		wg.Wait()
		d.synced(root)
	}
	if out, errs, status := d.ctl("check"); status != 0 {
		t.Errorf("check: %s %s", out, errs)
	}
}

// disturb does one thing to a tree of few names, if it can be done.
func disturb(rnd *rand.Rand, root string) {
	path := func() string {
		p := root
		for range 1 + rnd.IntN(5) {
			p += fmt.Sprintf("/%c", 'a'+rnd.IntN(5))
		}
		return p
	}
	switch p, q := path(), path(); rnd.IntN(9) {
	case 0, 1, 2:
		_ = os.MkdirAll(p, 0o755)
	case 3:
		_ = os.WriteFile(p, []byte(q), 0o644)
	case 4:
		_ = os.RemoveAll(p)
	case 5, 6:
		_ = os.Rename(p, q)
	case 7:
		_ = unix.Renameat2(unix.AT_FDCWD, p, unix.AT_FDCWD, q, unix.RENAME_EXCHANGE)
	case 8:
		if os.Rename(p, q) == nil {
			_ = os.Symlink(q, p)
		}
	}
}

// A change shows in an answer that waits for nothing, within a moment.
func TestSeenUnasked(t *testing.T) {
	root := treeOf(t)
	d := start(t, "", root)
	if _, errs, status := d.ctl("wait", "--ready"); status != 0 {
		t.Fatal(errs)
	}
	if err := os.MkdirAll(root+"/a/b/c", 0o755); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if out, _, _ := d.ctl("find", "--in", root, "c"); out == root+"/a/b/c\n" {
			return
		}
		if time.Now().After(end) {
			t.Fatal("it never shows")
		}
	}
}

// Where the kernel gives no watches, or no instance, the daemon runs, says so,
// and answers are as right as without.
func TestNoWatches(t *testing.T) {
	for setting, said := range map[string]string{
		"max_inotify_watches=0": "", "max_inotify_watches=12": "", "max_inotify_instances=0": "not watched",
	} {
		t.Run(setting, func(t *testing.T) {
			root := treeOf(t)
			name, value, _ := strings.Cut(setting, "=")
			if out, err := exec.Command("unshare", "-U", "-r", "sh", "-c", "echo 1000 > /proc/sys/user/"+name).CombinedOutput(); err != nil {
				t.Skipf("no user namespaces here: %v %s", err, out)
			}
			if _, err := exec.LookPath("go"); err != nil && os.Getenv("INDEXD_BIN") == "" {
				t.Skip("there is no go to build the programs with, and no INDEXD_BIN")
			}
			bin, err := programs()
			if err != nil {
				t.Fatal(err)
			}
			dir, err := os.MkdirTemp("", "e2e-")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			d := &daemon{t: t, bin: bin, dir: dir, args: []string{root}}
			d.runBy("unshare", "-U", "-r", "sh", "-c", "echo "+value+" > /proc/sys/user/"+name+`; exec "$@"`, "sh")
			defer d.end(syscall.SIGTERM)
			for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
				if _, _, status := d.ctl("wait", "--ready"); status == 0 {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("it does not begin: %s", d.stderr)
				}
			}
			rnd := rand.New(rand.NewPCG(1, 2))
			for range 4 {
				for range 200 {
					disturb(rnd, root)
				}
				d.synced(root)
			}
			d.end(syscall.SIGTERM)
			if !strings.Contains(d.stderr.String(), said) {
				t.Errorf("it did not say so: %s", d.stderr)
			}
		})
	}
}
