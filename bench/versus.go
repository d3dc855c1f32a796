package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// versus compares this build with the programs in the directory -versus, each with a
// daemon and a database of its own over the same tree, in turn. A ratio above 1 is slower
// or larger than the other build.
func (b *bench) versus() error {
	if b.other == "" {
		fmt.Fprintln(os.Stderr, "-versus names no directory with another build: left out")
		return nil
	}
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	builds := [2]string{filepath.Dir(b.bin("indexd")), b.other}
	var first, again [2]side
	for i, dir := range builds {
		name := fmt.Sprint("versus", i)
		run := func(fresh bool) (time.Duration, error) {
			if fresh {
				if err := os.RemoveAll(filepath.Join(b.dir, name+".db")); err != nil {
					return 0, err
				}
			}
			start := time.Now()
			d, err := b.startOf(dir, name, b.tree)
			if err != nil {
				return 0, err
			}
			err = d.begun(b.ctx)
			took := time.Since(start)
			if serr := d.stop(); err == nil {
				err = serr
			}
			return took, err
		}
		first[i] = side{"first index", func() (time.Duration, error) { return run(true) }}
		again[i] = side{"a start with nothing changed", func() (time.Duration, error) { return run(false) }}
	}
	fmt.Println("| | this build | the other | ratio |\n| --- | --- | --- | --- |")
	if err := b.versusRow("first index", b.pairs, first); err != nil {
		return err
	}
	if err := b.versusRow("a start with nothing changed", b.pairs, again); err != nil {
		return err
	}
	var ds [2]*daemon
	var sizes [2]float64
	for i, dir := range builds {
		d, err := b.startOf(dir, fmt.Sprint("versus", i), b.tree)
		if err != nil {
			return err
		}
		defer d.stop()
		if err := d.merged(b.ctx); err != nil {
			return err
		}
		if err := d.client.Wait(b.ctx, false); err != nil {
			return err
		}
		status, err := d.client.Status(b.ctx)
		if err != nil {
			return err
		}
		ds[i], sizes[i] = d, float64(status.DB.Size)/float64(status.Entries)
	}
	fmt.Printf("| database, bytes per entry | %.1f | %.1f | **%.3g** |\n", sizes[0], sizes[1], sizes[0]/sizes[1])
	for _, q := range []struct {
		n    int // pairs, in units of -n
		uid  uint32
		args string
	}{
		{10, 0, "find -c zzqqxx"}, {10, 0, "locate -c zzqqxx"}, {10, 0, "locate -b main.go"}, {10, 0, "find readme"},
		{10, 0, "locate -c .go"}, {4, 0, "find -c a"}, {2, 0, "find a"}, {2, 0, "find"}, {4, 0, `locate -r \.go$`},
		{2, 0, `locate --regex -bc ` + worst}, {4, 0, "find -c size:>1M"}, {4, 0, "find --sort size -n 20"},
		{2, 0, "find --sort size"}, {2, 0, "find --sort name"}, {2, 0, "find --sort path"}, {4, 0, "find -e h -t f --json"},
		{4, 0, "find -c *lib*.so"}, {4, nobody, "find -c a"}, {2, nobody, "find a"},
	} {
		if q.uid != 0 && os.Geteuid() != 0 {
			continue
		}
		var sides [2]side
		for i, dir := range builds {
			args := append([]string{"--socket", ds[i].socket}, strings.Fields(q.args)...)
			sides[i] = side{q.args, func() (time.Duration, error) {
				cmd := exec.CommandContext(b.ctx, filepath.Join(dir, "indexctl"), args...)
				if q.uid != 0 {
					cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: q.uid, Gid: q.uid}}
				}
				return timed(cmd)
			}}
		}
		name := fmt.Sprintf("`%s`", strings.ReplaceAll(q.args, "|", `\|`))
		if q.uid != 0 {
			name += fmt.Sprintf(", uid %d", q.uid)
		}
		if err := b.versusRow(name, q.n*b.pairs, sides); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) versusRow(name string, n int, sides [2]side) error {
	times, err := b.inTurn(n, sides[:]...)
	if err != nil {
		return err
	}
	fmt.Printf("| %s | %s | %s | **%.3g** |\n", name, show(median(times[0])), show(median(times[1])), ratio(times[0], times[1]))
	return nil
}
