package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"indexd/cmd/indexctl/internal/console"
	"indexd/internal/cmdline"
	"indexd/internal/getopt"
	"indexd/internal/query"
	"indexd/ipc/wire"
)

// findFlags holds the values of find's flags. Those that restrict the answer are stored in
// the request.
type findFlags struct {
	wire.FindRequest
	types, extensions []string // any of each

	quiet, null, long, json bool
	color                   string
	noWarn                  bool
	paged                   bool // --after
}

const defaultSync = 30 * time.Second

var (
	typeLetters = []string{"f", "d", "l", "s", "p", "b", "c", "x", "e"}
	typeWords   = []string{"file", "directory", "symlink", "socket", "pipe", "block-device", "char-device", "executable", "empty"}
)

func (p *program) findCommand() *cli.Command {
	f := &findFlags{color: "auto"}
	return &cli.Command{
		Usage:     "print the paths that match",
		ArgsUsage: "[TERM...]",
		Description: "TERMs are joined by blanks and parsed as one query: words that the name must contain,\n" +
			"globs, fields such as ext:go size:+1M mtime:2d type:f, and NOT, OR and parentheses. Without\n" +
			"a TERM, everything matches. Flags restrict the whole query.",
		Flags: cmdline.Flags(f.matchFlags(), f.outputFlags()),
		Action: func(c *cli.Context) error {
			f.Terms = c.Args().Slice()
			return p.find(f)
		},
	}
}

// matchFlags are the flags that say what matches and where to search.
func (f *findFlags) matchFlags() []*getopt.Flag {
	return []*getopt.Flag{
		{Name: "ignore-case", Aliases: []string{"i"}, Set: getopt.Is(&f.Case, query.CaseIgnore),
			Usage: "ignore case (default: unless a term contains upper case)"},
		{Name: "case-sensitive", Aliases: []string{"s"}, Usage: "distinguish upper and lower case", Set: getopt.Is(&f.Case, query.CaseSensitive)},
		{Name: "full-path", Aliases: []string{"p"}, Usage: "match terms anywhere in the whole path", Set: getopt.On(&f.FullPath)},
		{Name: "fixed-strings", Aliases: []string{"F"}, Usage: "each TERM is plain text", Set: getopt.Is(&f.Mode, query.ModeFixed)},
		{Name: "glob", Aliases: []string{"g"}, Usage: "each TERM is a glob", Set: getopt.Is(&f.Mode, query.ModeGlob)},
		{Name: "regex", Aliases: []string{"r"}, Usage: "each TERM is a regular expression (RE2)", Set: getopt.Is(&f.Mode, query.ModeRegex)},
		{Name: "extension", Aliases: []string{"e"}, Value: "EXT", Set: getopt.Split(&f.extensions),
			Usage: "with this extension; to allow several, separate them by commas or repeat the flag"},
		{Name: "type", Aliases: []string{"t"}, Value: "TYPE", Choices: slices.Concat(typeLetters, typeWords), Set: getopt.Split(&f.types),
			Usage: "f file, d directory, l symbolic link, s socket, p pipe, b block device, c character device, x executable, e empty; several as with --extension"},
		{Name: "size", Aliases: []string{"S"}, Value: "EXPR", Usage: "of this size: 10k, +1M (more), -1M (less), 1k..1M", Set: f.filter(query.SizeFilter)},
		{Name: "changed-within", Value: "D|DATE", Usage: "changed since then: 2d, 1h, 2026-01-31, yesterday", Set: f.filter(query.ChangedWithin)},
		{Name: "changed-before", Value: "D|DATE", Usage: "not changed since then", Set: f.filter(query.ChangedBefore)},
		{Name: "owner", Value: "USER[:GROUP]", Usage: "with this owner and group, by name or number", Set: f.filter(query.OwnerFilter)},

		{Name: "in", Value: "DIR", Usage: "only below DIR", Files: getopt.Directories, Set: getopt.Append(&f.In)},
		{Name: "max-depth", Aliases: []string{"d"}, Value: "N", Usage: "at most N levels below --in or a root", Set: getopt.Number(&f.MaxDepth, 1)},
		{Name: "min-depth", Value: "N", Usage: "at least N levels below --in or a root", Set: getopt.Number(&f.MinDepth, 0)},
		{Name: "exclude", Aliases: []string{"E"}, Value: "GLOB", Usage: "leave out what matches GLOB and everything below it", Set: getopt.Append(&f.Exclude)},

		// Flags of fd that are always in effect here.
		{Name: "hidden", Aliases: []string{"H"}, Hidden: true, Set: getopt.Ignored},
		{Name: "no-ignore", Aliases: []string{"I"}, Hidden: true, Set: getopt.Ignored},
		{Name: "unrestricted", Aliases: []string{"u"}, Hidden: true, Set: getopt.Ignored},
		{Name: "absolute-path", Aliases: []string{"a"}, Hidden: true, Set: getopt.Ignored},
	}
}

// outputFlags are the flags that say what is printed and how recent the answer must be.
func (f *findFlags) outputFlags() []*getopt.Flag {
	return []*getopt.Flag{
		{Name: "sort", Value: "KEY", Choices: query.SortNames(), Set: getopt.Choice(&f.Sort, query.SortNames()),
			Usage: "sort by path, name, size or blocks (largest first), mtime (newest first) or ext"},
		{Name: "reverse", Usage: "reverse the order", Set: getopt.On(&f.Reverse)},
		{Name: "limit", Aliases: []string{"n", "max-results"}, Value: "N", Usage: "print only the first N (0: all)", Set: getopt.Number(&f.Limit, 0)},
		{Name: "after", Value: "TOKEN", Set: f.setAfter,
			Usage: "continue after the page that ended with this token ('': print the first page and its token)"},
		{Name: "1", Usage: "print only the first", Set: getopt.Is(&f.Limit, 1)},

		{Name: "count", Aliases: []string{"c"}, Usage: "print only the number of matches", Set: getopt.On(&f.Count)},
		{Name: "quiet", Aliases: []string{"q"}, Usage: "print nothing; exit with status 0 if anything matches", Set: getopt.On(&f.quiet)},
		{Name: "print0", Aliases: []string{"0"}, Usage: "end each path with NUL instead of a newline", Set: getopt.On(&f.null)},
		{Name: "long", Aliases: []string{"l"}, Usage: "print type, mode, owner, size, time, path and link target", Set: getopt.On(&f.long)},
		jsonFlag(&f.json),
		{Name: "color", Value: "WHEN", Usage: "colour matches: auto, always or never", Choices: colorChoices, Set: getopt.Choice(&f.color, colorChoices)},

		{Name: "sync", Value: "TIMEOUT", Optional: true, Set: f.setSync,
			Usage: "wait until the answer includes every change made before (default: at most 30s)"},
		{Name: "strict", Usage: "exit with status 4 if the part asked about is not up to date", Set: getopt.On(&f.Strict)},
		{Name: "no-warn", Usage: "do not warn if it is not up to date", Set: getopt.On(&f.noWarn)},
		{Name: "explain", Usage: "print how the query would be run, not what it finds", Set: getopt.On(&f.Explain)},
	}
}

func (f *findFlags) setSync(v string) error {
	if v == "" {
		f.Sync = wire.Duration(defaultSync)
		return nil
	}
	return getopt.Duration((*time.Duration)(&f.Sync))(v)
}

func (f *findFlags) setAfter(v string) error {
	f.After, f.paged = v, true
	return nil
}

func (f *findFlags) filter(of func(string) string) func(string) error {
	return func(v string) error { return getopt.Append(&f.Filters)(of(v)) }
}

// find sends the query, prints the answer and sets the exit status.
func (p *program) find(f *findFlags) error {
	for _, t := range f.Terms {
		if t == "" {
			return console.Usagef("an argument is empty")
		}
	}
	if f.quiet {
		f.Limit, f.Count = 1, false
	}
	if len(f.types) > 0 {
		f.Filters = append(f.Filters, query.TypeFilter(f.types))
	}
	if len(f.extensions) > 0 {
		f.Filters = append(f.Filters, query.ExtFilter(f.extensions))
	}
	if err := f.resolve(); err != nil {
		return err
	}
	trailer, err := p.ask(f)
	if err != nil {
		return err
	}
	switch {
	case f.Explain:
		fmt.Fprintln(p.Out, strings.TrimRight(trailer.Plan, "\n"))
		return nil
	case f.Count && f.json && !f.quiet:
		fmt.Fprintf(p.Out, "{\"count\":%d}\n", trailer.Count)
	case f.Count && !f.quiet:
		fmt.Fprintln(p.Out, trailer.Count)
	case f.json && f.paged && trailer.Next != "":
		fmt.Fprintf(p.Out, "{\"next\":%q}\n", trailer.Next)
	}
	if err := p.Out.Flush(); err != nil { // the answer comes before the warning
		return err
	}
	p.finish(f, &trailer)
	return nil
}

// resolve replaces relative paths, dates and user names in the request by absolute ones.
func (f *findFlags) resolve() error {
	env := &query.Env{
		Now: time.Now(), Loc: time.Local, Real: resolved,
		LookupUser: newUsers().lookup, LookupGroup: newGroups().lookup,
	}
	env.Cwd, _ = workingDir() // Resolve reports an error only if it needs it
	return f.Request.Resolve(env)
}

// ask prints the answer as it arrives.
func (p *program) ask(f *findFlags) (wire.Trailer, error) {
	ctx := context.Background()
	switch {
	case f.quiet, f.Explain, f.Count:
		return p.Client().FindPaths(ctx, &f.FindRequest, func([]byte) error { return nil })
	case f.json:
		return p.Client().Find(ctx, &f.FindRequest, p.jsonRows())
	}
	mark, err := p.newMarker(f)
	if err != nil {
		return wire.Trailer{}, err
	}
	if f.long {
		return p.Client().Find(ctx, &f.FindRequest, p.longRows(mark, f.null))
	}
	return p.Client().FindPaths(ctx, &f.FindRequest, p.Paths(mark.write(), f.null))
}

// finish sets the exit status and prints the warning, if any.
func (p *program) finish(f *findFlags, t *wire.Trailer) {
	if t.Count == 0 {
		p.Status = console.Nothing
	}
	if !t.Complete && (t.Count == 0 || f.Strict) || t.SyncMissed {
		p.Status = console.Stale
	}
	if f.paged && t.Next != "" && !f.json {
		fmt.Fprintf(p.Stderr, "next page: --after %s\n", t.Next)
	}
	if f.noWarn {
		return
	}
	var parts []string
	if t.SyncMissed {
		parts = append(parts, fmt.Sprintf("changes made before may be missing, since not all were read within %s", time.Duration(f.Sync)))
	}
	p.WarnStale(t, parts...)
}
