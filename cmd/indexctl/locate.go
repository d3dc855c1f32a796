package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"indexd/internal/query"
	"indexd/ipc"
	"indexd/ipc/wire"
)

// locateFlags are what locate's flags say, which are those of plocate(1), also
// the ones it does not document.
type locateFlags struct {
	basename, ignoreCase, basic, extended bool
	existing, count, literal, null        bool
	limit                                 int // 0: none
	version                               bool
}

func (p *program) locateCommand() *command {
	f := &locateFlags{}
	return &command{
		usage: "plocate(1), from this index",
		takes: "PATTERN...",
		about: "Prints the paths in which every PATTERN is found: a text, or with one of * ? []\n" +
			"a glob on the whole path, in which * does not stop at '/'. Flags, output and exit\n" +
			"status are plocate's, but for the order. It may be called as \"locate\".",
		flags: f.flags(),
		run:   func(args []string) error { return p.locate(f, args) },
	}
}

func (f *locateFlags) flags() []*flag {
	return []*flag{
		{name: "all", aliases: []string{"A"}, hidden: true, set: ignored},
		{name: "basename", aliases: []string{"b"}, usage: "patterns match in the name alone", set: on(&f.basename)},
		{name: "count", aliases: []string{"c"}, usage: "print how many, not which", set: on(&f.count)},
		{name: "database", aliases: []string{"d"}, value: "DBPATH", usage: "refused: indexd has an index of its own", files: anyFile, set: func(string) error {
			return fmt.Errorf("indexd has an index of its own and reads no other")
		}},
		{name: "existing", aliases: []string{"e"}, usage: "only what exists now", set: on(&f.existing)},
		{name: "ignore-case", aliases: []string{"i"}, usage: "upper and lower case are the same", set: on(&f.ignoreCase)},
		{name: "limit", aliases: []string{"l", "n"}, value: "LIMIT", usage: "LIMIT matches at most", set: f.setLimit},
		{name: "literal", aliases: []string{"N"}, usage: "do not quote names on a terminal", set: on(&f.literal)},
		{name: "null", aliases: []string{"0"}, usage: "end each path with NUL, not a newline", set: on(&f.null)},
		{name: "regexp", aliases: []string{"r"}, usage: "patterns are basic regular expressions", set: on(&f.basic)},
		{name: "regex", usage: "patterns are extended regular expressions", set: on(&f.extended)},
		{name: "wholename", aliases: []string{"w"}, usage: "patterns match in the whole path (default)", set: func(string) error { f.basename = false; return nil }},
		{name: "V", hidden: true, set: on(&f.version)},
		{name: "debug", aliases: []string{"D"}, hidden: true, set: ignored},
		{name: "flush-cache", hidden: true, set: ignored},
	}
}

// setLimit takes what atoll(3) does, which stops at what is no digit.
func (f *locateFlags) setLimit(v string) error {
	v = strings.TrimLeft(v, " \t\n\v\f\r")
	digits := strings.TrimPrefix(v, "+")
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	n, err := strconv.Atoi(digits)
	if n <= 0 || err != nil && !errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("must be a number above 0")
	}
	f.limit = n // the greatest there is, for one that is out of range
	return nil
}

// calledLocate puts "indexctl locate" in the place of args' program, if that is
// called locate.
func calledLocate(args []string) []string {
	if len(args) == 0 || filepath.Base(args[0]) != "locate" {
		return args
	}
	return append([]string{"indexctl", "locate"}, args[1:]...)
}

// locateStatus is the status of plocate in the place of s. A reader that has
// gone, where that does not end the process, is no failure to it.
func locateStatus(s status) status {
	if s == done || s == brokenPipe {
		return done
	}
	return nothing
}

// errEnough ends an answer of which no more is wanted.
var errEnough = errors.New("enough")

// locate asks and prints.
func (p *program) locate(f *locateFlags, patterns []string) error {
	if f.version {
		return p.printVersion()
	}
	if len(patterns) == 0 {
		return usagef("no pattern to search for specified")
	}
	if os.Getenv("LOCATE_PATH") != "" {
		p.say("warning: LOCATE_PATH is ignored, since indexd reads no databases of plocate's")
	}
	req := &wire.FindRequest{Request: query.Request{Terms: patterns, Mode: query.ModeLocate, Case: query.CaseSensitive, FullPath: !f.basename, Count: f.count && !f.existing}}
	switch {
	case f.extended:
		req.Mode = query.ModeERE
	case f.basic:
		req.Mode = query.ModeBRE
	}
	if f.ignoreCase {
		req.Case = query.CaseIgnore
	}
	if !f.existing {
		req.Limit = f.limit
	}
	show := p.located(f)
	n := int64(0)
	trailer, err := p.client().FindPaths(context.Background(), req, func(paths []byte) error {
		if f.existing {
			paths = f.keepExisting(paths, &n)
		}
		if err := show(paths); err != nil {
			return err
		}
		if f.existing && f.limit > 0 && n == int64(f.limit) {
			return errEnough
		}
		return nil
	})
	enough := errors.Is(err, errEnough)
	if err != nil && !enough {
		return err
	}
	if !f.existing {
		n = trailer.Count
	}
	if f.count {
		fmt.Fprintln(p.out, n)
	}
	if n == 0 {
		p.status = nothing
	}
	if err := p.out.Flush(); err != nil || enough { // the answer stands before the warning
		return err
	}
	p.warnStale(&trailer)
	return nil
}

// keepExisting moves together those of paths that exist, up to the limit, and
// adds to n how many they are.
func (f *locateFlags) keepExisting(paths []byte, n *int64) []byte {
	kept := paths[:0]
	for path := range ipc.Split(paths) {
		if f.limit > 0 && *n == int64(f.limit) {
			break
		}
		if _, err := os.Lstat(string(path)); err == nil {
			kept = append(append(kept, path...), 0)
			*n++
		}
	}
	return kept
}

// located prints paths as plocate does.
func (p *program) located(f *locateFlags) func([]byte) error {
	switch {
	case f.count:
		return func([]byte) error { return nil }
	case f.null || f.literal || !p.out.terminal:
		return p.paths(nil, f.null)
	}
	return func(paths []byte) error {
		b := p.out.Buffer()
		for path := range ipc.Split(paths) {
			b = append(appendQuoted(b, path), '\n')
		}
		p.out.buf = b
		return p.out.Flush()
	}
}
