package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"indexd/internal/testcgroup"
	"indexd/ipc"
	"indexd/store/synth"
)

// limited starts a daemon in a control group.
func (b *bench) limited(g *testcgroup.Group, name string, args ...string) (*daemon, error) {
	b.before = g.In()
	defer func() { b.before = nil }()
	return b.start(name, args...)
}

// memory has a synthetic database made, and asked, in control groups of 128 and
// 64 MiB, and the tree indexed and watched in such.
func (b *bench) memory() error {
	for _, mib := range []int64{128, 64} {
		g, err := testcgroup.New(mib << 20)
		if err != nil {
			fmt.Println("left out:", err)
			return nil
		}
		err = b.littleMemory(g, mib)
		if err := errors.Join(err, g.Remove()); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) littleMemory(g *testcgroup.Group, mib int64) error {
	fmt.Printf("\n| in %d MiB | |\n| --- | --- |\n", mib)
	usage := func(what string) {
		all, kernel := g.Usage()
		fmt.Printf("| in use %s, the kernel's of it, at most, killed | %.1f MiB, %.1f, %.1f, **%d** |\n", what,
			float64(all)/(1<<20), float64(kernel)/(1<<20), float64(g.Peak())/(1<<20), g.Killed())
	}
	name := fmt.Sprint("memory", mib)
	root := filepath.Join(b.dir, name+".tree")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	d, err := b.limited(g, name, append(quiet, root)...)
	if err != nil {
		return err
	}
	if err := errors.Join(d.ready(b.ctx), d.stop()); err != nil {
		return err
	}
	begun := time.Now()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	load := g.Command(self, "-load", d.db, "-tree", root, "-synth", strconv.Itoa(b.synth))
	load.Env = append(os.Environ(), "GOMEMLIMIT="+strconv.FormatInt(mib/2, 10)+"MiB")
	if out, err := load.CombinedOutput(); err != nil {
		return fmt.Errorf("load: %w: %s", err, out)
	}
	fmt.Printf("| %d synthetic entries fed through Prepare and Apply, with postings, in | %s |\n", b.synth, time.Since(begun).Round(time.Second/10))
	usage("after it")
	if err := b.askLimited(g, name, root); err != nil {
		return err
	}
	usage("after the questions")

	begun = time.Now()
	d, err = b.limited(g, name+"-live", "--watch", "inotify", b.tree)
	if err != nil {
		return err
	}
	if err := d.merged(b.ctx); err != nil {
		return errors.Join(err, d.stop())
	}
	took := time.Since(begun)
	status, err := d.client.Status(b.ctx)
	if err != nil {
		return errors.Join(err, d.stop())
	}
	fmt.Printf("| first index of the tree, %d entries in %d directories, %d of them watched | %s |\n", status.Entries, status.Dirs, status.Watch.Watches, took.Round(time.Second/10))
	fmt.Printf("| anonymous memory of the daemon | %.1f MiB |\n", float64(status.Memory.Anonymous)/(1<<20))
	usage("with watches")
	return d.stop()
}

// askLimited asks a daemon in the group, and one with all memory that there is, and
// counts by brute force.
func (b *bench) askLimited(g *testcgroup.Group, name, root string) error {
	want := make([]int64, 3)
	names := [][]byte{[]byte("readme"), []byte(".py"), []byte("zzzz")}
	for _, l := range (synth.Tree{Seed: 1, Entries: b.synth}).Listings() {
		for i := range l.Entries {
			for k, part := range names {
				if bytes.Contains([]byte(l.Entries[i].Name), part) {
					want[k]++
				}
			}
		}
	}
	ask := func(d *daemon) error {
		if err := d.answers(b.ctx); err != nil {
			return err
		}
		for k, part := range names {
			q := &ipc.FindRequest{Terms: ipc.Texts{string(part)}, Case: "sensitive", Count: true}
			var took []time.Duration
			for range 3 {
				begun := time.Now()
				t, err := d.client.Find(b.ctx, q, func(*ipc.Row) error { return nil })
				if err != nil {
					return err
				}
				if t.Count != want[k] {
					return fmt.Errorf("%q: %d are said, %d there are", part, t.Count, want[k])
				}
				took = append(took, time.Since(begun))
			}
			fmt.Printf("| count of `%s`: %d, as it is by brute force | %s, %s, %s |\n", part, want[k], show(took[0]), show(took[1]), show(took[2]))
		}
		for _, q := range []ipc.FindRequest{
			{Sort: "size", Limit: 20}, {Terms: ipc.Texts{`[0-9].*[a-z]$`}, Mode: "regex", Count: true}, {Terms: ipc.Texts{"read"}, Sort: "name"},
		} {
			begun := time.Now()
			rows := 0
			t, err := d.client.Find(b.ctx, &q, func(*ipc.Row) error { rows++; return nil })
			if err != nil {
				return err
			}
			fmt.Printf("| %s %q sort=%s: %d | %s |\n", q.Mode, q.Terms, q.Sort, t.Count, show(time.Since(begun)))
		}
		return nil
	}
	d, err := b.limited(g, name, append(quiet, root)...)
	if err != nil {
		return err
	}
	return errors.Join(ask(d), d.stop())
}
