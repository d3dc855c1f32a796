// Package locate implements "indexctl locate", which has plocate's flags, output and exit
// status. It reads its flags with package getopt alone and runs before the command line
// library is initialized; see init.
package locate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"indexd/cmd/indexctl/internal/console"
	"indexd/internal/getopt"
	"indexd/internal/query"
	"indexd/ipc"
	"indexd/ipc/wire"
)

// init runs locate and ends the process if that is what the program was called for.
//
// It does not wait for main because locate has to start as fast as plocate: initializing
// urfave/cli and what it imports, and the page faults that this causes, take a tenth of a
// query for a rare word. Go initializes packages in the order of their import paths as soon
// as their imports are initialized, so this package, which must not import the library,
// comes before net/url and text/template, and thus before the library (Go specification,
// "Program initialization"; TestLocateSkipsLibrary checks it). Everything that is not
// urgent, such as --help, is left to main.
func init() {
	args := Args(os.Args)
	if len(args) < 2 || args[1] != "locate" {
		return
	}
	c := console.New()
	l := New(c)
	patterns, err := l.parse(args[2:])
	if err == nil && c.ShowHelp {
		return
	}
	if err == nil {
		err = l.Run(patterns)
	}
	os.Exit(int(Status(c.End(err, "locate", Takes))))
}

// Args returns the arguments of a program that may have been called as "locate" in the form
// "indexctl locate ...".
func Args(args []string) []string {
	if len(args) == 0 || filepath.Base(args[0]) != "locate" {
		return args
	}
	return append([]string{"indexctl", "locate"}, args[1:]...)
}

// Takes is what locate's operands are called in help.
const Takes = "PATTERN..."

// Locate is one run of locate.
type Locate struct {
	c *console.Console

	// The flags are those of plocate(1), including the undocumented ones.
	basename, ignoreCase, basic, extended bool
	existing, count, literal, null        bool
	limit                                 int // 0: none
}

// New returns a Locate that prints to c.
func New(c *console.Console) *Locate { return &Locate{c: c} }

// Flags returns the definitions of locate's own flags.
func (l *Locate) Flags() []*getopt.Flag {
	return []*getopt.Flag{
		{Name: "all", Aliases: []string{"A"}, Hidden: true, Set: getopt.Ignored},
		{Name: "basename", Aliases: []string{"b"}, Usage: "match only the last component of a path", Set: getopt.On(&l.basename)},
		{Name: "count", Aliases: []string{"c"}, Usage: "print only the number of matches", Set: getopt.On(&l.count)},
		{Name: "database", Aliases: []string{"d"}, Value: "DBPATH", Usage: "refused, because indexd has its own index", Files: getopt.AnyFile, Set: func(string) error {
			return errors.New("indexd has an index of its own and reads no other")
		}},
		{Name: "existing", Aliases: []string{"e"}, Usage: "print only paths that exist now", Set: getopt.On(&l.existing)},
		{Name: "ignore-case", Aliases: []string{"i"}, Usage: "ignore case", Set: getopt.On(&l.ignoreCase)},
		{Name: "limit", Aliases: []string{"l", "n"}, Value: "LIMIT", Usage: "print or count at most LIMIT matches", Set: l.setLimit},
		{Name: "literal", Aliases: []string{"N"}, Usage: "do not quote names on a terminal", Set: getopt.On(&l.literal)},
		{Name: "null", Aliases: []string{"0"}, Usage: "end each path with NUL instead of a newline", Set: getopt.On(&l.null)},
		{Name: "regexp", Aliases: []string{"r"}, Usage: "patterns are basic regular expressions", Set: getopt.On(&l.basic)},
		{Name: "regex", Usage: "patterns are extended regular expressions", Set: getopt.On(&l.extended)},
		{Name: "wholename", Aliases: []string{"w"}, Usage: "match the whole path (default)", Set: getopt.Is(&l.basename, false)},
		{Name: "V", Hidden: true, Set: getopt.On(&l.c.ShowVersion)},
		{Name: "debug", Aliases: []string{"D"}, Hidden: true, Set: getopt.Ignored},
		{Name: "flush-cache", Hidden: true, Set: getopt.Ignored},
	}
}

// setLimit reads what atoll(3) reads, which stops at the first character that is not a digit.
func (l *Locate) setLimit(v string) error {
	v = strings.TrimLeft(v, " \t\n\v\f\r")
	digits := strings.TrimPrefix(v, "+")
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	n, err := strconv.Atoi(digits)
	if n <= 0 || err != nil && !errors.Is(err, strconv.ErrRange) {
		return errors.New("must be a number above 0")
	}
	l.limit = n // the largest int if the number is out of range
	return nil
}

// parse sets the flags in args and returns the operands.
func (l *Locate) parse(args []string) (patterns []string, err error) {
	var options []getopt.Option
	for _, f := range slices.Concat(l.Flags(), l.c.Flags()) {
		options = append(options, f)
	}
	flags, patterns, err := getopt.Parse(options, args)
	for _, f := range flags {
		if err == nil {
			err = f.Option.(*getopt.Flag).Give(f.Value)
		}
	}
	return patterns, err
}

// Status returns plocate's exit status instead of s. A closed pipe that did not end the
// process is not a failure for plocate.
func Status(s console.Status) console.Status {
	if s == console.Done || s == console.BrokenPipe {
		return console.Done
	}
	return console.Nothing
}

// errEnough stops an answer at the limit.
var errEnough = errors.New("enough")

// Run asks the daemon and prints the answer.
func (l *Locate) Run(patterns []string) error {
	if l.c.ShowVersion {
		l.c.PrintVersion()
		return nil
	}
	if len(patterns) == 0 {
		return console.Usagef("no pattern to search for specified")
	}
	if os.Getenv("LOCATE_PATH") != "" {
		l.c.Say("warning: LOCATE_PATH is ignored, since indexd reads no databases of plocate's")
	}
	show := l.show()
	n := int64(0)
	trailer, err := l.c.Client().FindPaths(context.Background(), l.request(patterns), func(paths []byte) error {
		if l.existing {
			paths = l.keepExisting(paths, &n)
		}
		if err := show(paths); err != nil {
			return err
		}
		if l.existing && l.limit > 0 && n == int64(l.limit) {
			return errEnough
		}
		return nil
	})
	enough := errors.Is(err, errEnough)
	if err != nil && !enough {
		return err
	}
	if !l.existing {
		n = trailer.Count
	}
	if l.count {
		fmt.Fprintln(l.c.Out, n)
	}
	if n == 0 {
		l.c.Status = console.Nothing
	}
	if err := l.c.Out.Flush(); err != nil || enough { // the answer comes before the warning
		return err
	}
	l.c.WarnStale(&trailer)
	return nil
}

func (l *Locate) request(patterns []string) *wire.FindRequest {
	req := &wire.FindRequest{Request: query.Request{
		Terms: patterns, Mode: query.ModeLocate, Case: query.CaseSensitive, FullPath: !l.basename,
		Count: l.count && !l.existing,
	}}
	switch {
	case l.extended:
		req.Mode = query.ModeERE
	case l.basic:
		req.Mode = query.ModeBRE
	}
	if l.ignoreCase {
		req.Case = query.CaseIgnore
	}
	if !l.existing {
		req.Limit = l.limit
	}
	return req
}

// keepExisting compacts paths to those that exist, up to the limit, and adds their number
// to n.
func (l *Locate) keepExisting(paths []byte, n *int64) []byte {
	kept := paths[:0]
	for path := range ipc.Split(paths) {
		if l.limit > 0 && *n == int64(l.limit) {
			break
		}
		if _, err := os.Lstat(string(path)); err == nil {
			kept = append(append(kept, path...), 0)
			*n++
		}
	}
	return kept
}

// show returns the function that prints paths as plocate does.
func (l *Locate) show() func([]byte) error {
	switch {
	case l.count:
		return func([]byte) error { return nil }
	case l.null || l.literal || !l.c.Out.Terminal:
		return l.c.Paths(nil, l.null)
	}
	return l.c.Paths(appendQuoted, false)
}
