// Command bench measures indexd against its peers. It runs both in turn, so that a figure
// is the median of the ratios of pairs and holds on a machine that is shared and noisy.
// It prints the tables of docs/benchmarks.md.
//
//	go -C bench run .                    everything, over /
//	go -C bench run . -tree /usr index   one section
//
// Sections: index, walk, query, sight, versus, list, live, settle, size, store, cancel,
// burst, clients, growth, memory, watched, cold, damage. Peers that are not installed are
// left out with a note. Dropping caches needs root.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
)

// bench is one run: its flags, and where the programs under test are.
type bench struct {
	ctx   context.Context
	tree  string
	pairs int
	synth int
	files int
	dir   string // temporary; has the built programs in bin

	before []string // what daemons are started by
	other  string   // a directory with another build, for versus
}

func main() {
	b := &bench{}
	flag.StringVar(&b.tree, "tree", "/", "the directory that is indexed")
	flag.IntVar(&b.pairs, "n", 5, "pairs of runs of each comparison")
	flag.IntVar(&b.synth, "synth", 8_000_000, "entries of the synthetic database")
	flag.StringVar(&b.other, "versus", "", "a directory with another build of indexd and indexctl, to compare with")
	flag.IntVar(&b.files, "files", 100_000, "files that the writers of settle write each time")
	tmp := flag.String("dir", "", "where the databases are made (default: a temporary directory)")
	load := flag.String("load", "", "only load synthetic entries below -tree into this database")
	flag.Parse()
	var stop context.CancelFunc
	b.ctx, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *load != "" {
		_, err = b.load(*load, b.tree, b.synth)
	} else {
		err = b.run(*tmp, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type section struct {
	name  string
	about string
	run   func(*bench) error
}

func sections() []section {
	return []section{
		{"index", "First index, from exec to ready and synced", (*bench).index},
		{"walk", "The walker alone, with statx", (*bench).walk},
		{"query", "Questions, beside plocate and at size", (*bench).query},
		{"sight", "Questions of a user who may not see all, beside root's", (*bench).sight},
		{"versus", "This build beside another", (*bench).versus},
		{"list", "Every path of the tree to a pipe, whole processes", (*bench).list},
		{"size", "The database and the daemon's memory", (*bench).size},
		{"live", "Changes, and what watching costs", (*bench).live},
		{"settle", "Very many changes at once, beside watchman", (*bench).settle},
		{"cancel", "Cancelling a job in a directory of a million entries", (*bench).cancel},
		{"burst", "10,000 rescans at once", (*bench).burst},
		{"clients", "Slow and broken clients, and many at once", (*bench).clients},
		{"store", "A synthetic database", (*bench).store},
		{"growth", "What changes make of the database, and compacting it", (*bench).growth},
		{"memory", "A synthetic database in a control group with little memory", (*bench).memory},
		{"watched", "A real tree, watched, in a control group with little memory", (*bench).watched},
		{"cold", "Cold cache", (*bench).cold},
		{"damage", "From a damaged database to ready, and a first index", (*bench).damage},
	}
}

func (b *bench) run(tmp string, names []string) (err error) {
	if b.dir, err = os.MkdirTemp(tmp, "indexd-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	out := filepath.Join(b.dir, "bin") + "/"
	for _, args := range [][]string{{"-C", "..", "build", "-tags", "urfave_cli_no_docs", "-o", out, "./cmd/indexd", "./cmd/indexctl"}, {"build", "-o", out, "./walk"}} {
		build := exec.CommandContext(b.ctx, "go", args...)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build (run this in bench/): %w", err)
		}
	}
	fmt.Printf("%s, %d processors, %s, tree %s, medians of %d pairs\n", kernel(), runtime.NumCPU(), runtime.Version(), b.tree, b.pairs)
	for _, s := range sections() {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		fmt.Printf("\n## %s\n\n", s.about)
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func (b *bench) bin(name string) string { return filepath.Join(b.dir, "bin", name) }

func kernel() string {
	var u syscall.Utsname
	if syscall.Uname(&u) != nil {
		return "Linux"
	}
	s := "Linux "
	for _, c := range u.Release {
		if c == 0 || c == '-' {
			break
		}
		s += string(rune(c))
	}
	return s
}
