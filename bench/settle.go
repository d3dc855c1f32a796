package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"indexd/internal/query"
	"indexd/ipc/wire"
)

// settler is a program that watches a tree.
type settler interface {
	// count returns how many entries have a name ("" for all), in an answer that
	// includes all changes made before the call.
	count(ctx context.Context, name string) (int, error)
	pid() int
	stop() error
}

// ours is indexd as a settler.
type ours struct {
	*daemon
	root string
}

func (o ours) count(ctx context.Context, name string) (int, error) {
	req := &wire.FindRequest{Request: query.Request{In: []string{o.root}, Count: true}, Sync: wire.Duration(10 * time.Minute)}
	if name != "" {
		req.Terms = wire.ByteStrings{name}
	}
	trailer, err := o.client.Find(ctx, req, nil)
	return int(trailer.Count), err
}

func (o ours) pid() int { return o.cmd.Process.Pid }

// writing is a way in which many files are created or removed.
type writing struct {
	name string
	run  func(ctx context.Context, tree string) error
}

// settle measures the time from many changes until answers are right, and the CPU time
// for that, and compares with watchman: one after the other, over trees that are empty at
// first.
func (b *bench) settle() error {
	writings, err := b.writings()
	if err != nil {
		return err
	}
	program, peer := installed("watchman")
	type figures struct{ settle, cpu, rss, anon []float64 }
	all := make(map[string]*figures) // by who and what
	at := func(who, what string) *figures {
		f := all[who+what]
		if f == nil {
			f = new(figures)
			all[who+what] = f
		}
		return f
	}
	round := func(who string, start func(tree string) (settler, error)) error {
		tree := filepath.Join(b.dir, "tree")
		if err := os.Mkdir(tree, 0o755); err != nil {
			return err
		}
		defer os.RemoveAll(tree)
		s, err := start(tree)
		if err != nil {
			return err
		}
		for i, w := range writings {
			took, cpu, err := b.settleOnce(s, w, tree, i)
			if err != nil {
				return errors.Join(fmt.Errorf("%s, %s: %w", who, w.name, err), s.stop())
			}
			fmt.Fprintf(os.Stderr, "%s, %s: settled in %s, %s of processor time\n", who, w.name, show(took), show(cpu))
			f := at(who, w.name)
			f.settle = append(f.settle, took.Seconds())
			f.cpu = append(f.cpu, cpu.Seconds())
			f.rss = append(f.rss, float64(procOf(s.pid(), "VmRSS"))/1024)
			f.anon = append(f.anon, float64(procOf(s.pid(), "RssAnon"))/1024)
		}
		return s.stop()
	}
	for i := range b.pairs {
		err := round("indexd", func(tree string) (settler, error) {
			d, err := b.start("settle-"+strconv.Itoa(i), "--watch", "auto", tree)
			if err != nil {
				return nil, err
			}
			return ours{d, tree}, d.ready(b.ctx)
		})
		if err == nil && peer {
			err = round("watchman", func(tree string) (settler, error) { return b.startWatchman(program, tree) })
		}
		if err != nil {
			return err
		}
	}
	fmt.Printf("%d files each time; settled is from the writer's end to a right answer; memory is resident, of it anonymous, behind it\n\n", b.files)
	fmt.Println("| | indexd: settled | CPU | memory | watchman: settled | CPU | memory | ours / its: settled | CPU | memory |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, w := range writings {
		line := "| " + w.name
		o, t := at("indexd", w.name), at("watchman", w.name)
		for _, f := range []*figures{o, t} {
			if len(f.settle) == 0 {
				line += " | | | "
				continue
			}
			line += fmt.Sprintf(" | %.3f s | %.2f s | %.0f, %.0f MiB", median(f.settle), median(f.cpu), median(f.rss), median(f.anon))
		}
		if len(t.settle) > 0 {
			line += fmt.Sprintf(" | **%.2f** | %.2f | **%.2f**, %.2f", ratio(o.settle, t.settle), ratio(o.cpu, t.cpu), ratio(o.rss, t.rss), ratio(o.anon, t.anon))
		}
		fmt.Println(line + " |")
	}
	return nil
}

// settleOnce runs w and returns the time from its end until an answer was right, and the
// total CPU time.
func (b *bench) settleOnce(s settler, w writing, tree string, i int) (took, cpu time.Duration, err error) {
	cpu = cpuOf(s.pid())
	if err := w.run(b.ctx, tree); err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	last := fmt.Sprintf("the-last-%d", i)
	if err := os.WriteFile(filepath.Join(tree, last), nil, 0o644); err != nil {
		return 0, 0, err
	}
	n, err := s.count(b.ctx, last)
	took = time.Since(begun)
	if err != nil {
		return 0, 0, err
	}
	if n != 1 {
		return 0, 0, fmt.Errorf("%s is not in the answer", last)
	}
	cpu = cpuOf(s.pid()) - cpu
	have, err := s.count(b.ctx, "")
	if err != nil {
		return 0, 0, err
	}
	out, err := exec.CommandContext(b.ctx, "find", tree, "-mindepth", "1", "-printf", "x").Output()
	if err == nil && have != len(out) {
		err = fmt.Errorf("%d entries where find(1) has %d", have, len(out))
	}
	return took, cpu, err
}

// writings prepares the writers and returns them.
func (b *bench) writings() ([]writing, error) {
	source, archive, repo := filepath.Join(b.dir, "source"), filepath.Join(b.dir, "source.tar"), filepath.Join(b.dir, "repo")
	if err := writePackages(b.ctx, source, b.files, false); err != nil {
		return nil, err
	}
	sh := func(script string) func(context.Context, string) error {
		return func(ctx context.Context, tree string) error {
			cmd := exec.CommandContext(ctx, "sh", "-ec", script, "sh", source, archive, repo)
			cmd.Dir = tree
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w: %.200s", script, err, out)
			}
			return nil
		}
	}
	prepare := `tar cf "$2" -C "$1" .; git init -q --bare "$3"; cd "$1"; export GIT_DIR="$3" GIT_WORK_TREE="$1"
git config core.bare false; git config gc.auto 0; git add -A
git -c user.name=bench -c user.email=bench@localhost commit -qm all; git config core.bare true`
	if err := sh(prepare)(b.ctx, b.dir); err != nil {
		return nil, err
	}
	return []writing{
		{"`tar xf`", sh(`mkdir tar; tar xf "$2" -C tar`)},
		{"`cp -a`", sh(`cp -a tar cp`)},
		{"`mv`", sh(`mkdir in; mv cp in/mv`)},
		{"`rm -rf`", sh(`rm -rf in`)},
		{"`git clone`", sh(`git clone -q --no-hardlinks "$3" git`)},
		{"packages, as npm", func(ctx context.Context, tree string) error {
			return writePackages(ctx, filepath.Join(tree, "npm"), b.files, true)
		}},
	}, nil
}

// writePackages writes n files in packages of twenty, in four directories each, as npm
// does: with several writers, and each package under a temporary name at first.
func writePackages(ctx context.Context, top string, n int, asNpm bool) error {
	const files, dirs, writers = 20, 4, 8
	one := func(i int) error {
		final := filepath.Join(top, fmt.Sprintf("scope-%d", i%50), fmt.Sprintf("package-%d", i))
		dir := final
		if asNpm {
			dir = filepath.Join(top, fmt.Sprintf("scope-%d", i%50), fmt.Sprintf(".package-%d-%x", i, i*2654435761))
		}
		for f := range files {
			at := filepath.Join(dir, []string{"", "lib", "lib/util", "test"}[f%dirs])
			if err := os.MkdirAll(at, 0o755); err != nil {
				return err
			}
			text := strings.Repeat(fmt.Sprintf("module.exports = %d\n", i), 1+f)
			if err := os.WriteFile(filepath.Join(at, fmt.Sprintf("file-%d.js", f)), []byte(text), 0o644); err != nil {
				return err
			}
		}
		if dir == final {
			return nil
		}
		return os.Rename(dir, final)
	}
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < n/files && errs[w] == nil && ctx.Err() == nil; i += writers {
				errs[w] = one(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}
