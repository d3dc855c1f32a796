package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"indexd/internal/query"
	"indexd/ipc/wire"
)

// findFlags are what find's flags say. Those that restrict the answer go
// straight into the request.
type findFlags struct {
	wire.FindRequest
	types, extensions []string // any of each

	quiet, null, long, json bool
	color                   string
	noWarn                  bool
}

const defaultSync = 30 * time.Second

var (
	typeLetters = []string{"f", "d", "l", "s", "p", "b", "c", "x", "e"}
	typeWords   = []string{"file", "directory", "symlink", "socket", "pipe", "block-device", "char-device", "executable", "empty"}
	sortChoices = []string{"path", "name", "size", "mtime", "ext"}
)

func (p *program) findCommand() *command {
	f := &findFlags{color: "auto"}
	return &command{
		usage: "print the paths that match",
		takes: "[TERM...]",
		about: "TERMs are joined by blanks and read as one query: words that the name must\n" +
			"contain, globs, fields such as ext:go size:+1M mtime:2d type:f, and NOT, OR and\n" +
			"parentheses. Without a TERM everything matches. Flags restrict the whole.",
		flags: f.flags(),
		run: func(args []string) error {
			f.Terms = args
			return p.find(f)
		},
	}
}

func (f *findFlags) flags() []*flag {
	return []*flag{
		// What matches.
		{name: "ignore-case", aliases: []string{"i"}, usage: "upper and lower case are the same (default: unless a term has upper case)", set: is(&f.Case, query.CaseIgnore)},
		{name: "case-sensitive", aliases: []string{"s"}, usage: "upper and lower case differ", set: is(&f.Case, query.CaseSensitive)},
		{name: "full-path", aliases: []string{"p"}, usage: "terms match anywhere in the whole path", set: on(&f.FullPath)},
		{name: "fixed-strings", aliases: []string{"F"}, usage: "each TERM is plain text", set: is(&f.Mode, query.ModeFixed)},
		{name: "glob", aliases: []string{"g"}, usage: "each TERM is a glob", set: is(&f.Mode, query.ModeGlob)},
		{name: "regex", aliases: []string{"r"}, usage: "each TERM is a regular expression (RE2)", set: is(&f.Mode, query.ModeRegex)},
		{name: "extension", aliases: []string{"e"}, value: "EXT", usage: "with this extension; several by commas or repeated: any of them", set: split(&f.extensions)},
		{name: "type", aliases: []string{"t"}, value: "TYPE", usage: "f file, d directory, l link, s socket, p pipe, b, c devices, x executable, e empty; several: any of them",
			choices: append(typeLetters[:len(typeLetters):len(typeLetters)], typeWords...), set: split(&f.types)},
		{name: "size", aliases: []string{"S"}, value: "EXPR", usage: "of this size: 10k, +1M (more), -1M (less), 1k..1M", set: f.filter(query.SizeFilter)},
		{name: "changed-within", value: "D|DATE", usage: "changed since then: 2d, 1h, 2026-01-31, yesterday", set: f.filter(query.ChangedWithin)},
		{name: "changed-before", value: "D|DATE", usage: "not changed since then", set: f.filter(query.ChangedBefore)},
		{name: "owner", value: "USER[:GROUP]", usage: "owned by them, by name or number", set: f.filter(query.OwnerFilter)},

		// Where.
		{name: "in", value: "DIR", usage: "below DIR only", files: directories, set: appendTo(&f.In)},
		{name: "max-depth", aliases: []string{"d"}, value: "N", usage: "at most N levels below --in or a root", set: number(&f.MaxDepth, 1)},
		{name: "min-depth", value: "N", usage: "at least N levels below --in or a root", set: number(&f.MinDepth, 0)},
		{name: "exclude", aliases: []string{"E"}, value: "GLOB", usage: "leave out what matches GLOB, and all that is below it", set: appendTo(&f.Exclude)},

		// In which order, and how much.
		{name: "sort", value: "KEY", usage: "by path, name, size, mtime or ext; largest and newest first", choices: sortChoices, set: choice(&f.Sort, sortChoices)},
		{name: "reverse", usage: "the other way round", set: on(&f.Reverse)},
		{name: "limit", aliases: []string{"n", "max-results"}, value: "N", usage: "the first N only (0: all)", set: number(&f.Limit, 0)},
		{name: "1", usage: "the first only", set: is(&f.Limit, 1)},

		// What is printed.
		{name: "count", aliases: []string{"c"}, usage: "print how many, not which", set: on(&f.Count)},
		{name: "quiet", aliases: []string{"q"}, usage: "print nothing; exit with 0 if there is any", set: on(&f.quiet)},
		{name: "print0", aliases: []string{"0"}, usage: "end each path with NUL, not a newline", set: on(&f.null)},
		{name: "long", aliases: []string{"l"}, usage: "print type, mode, owner, size, time, path and link target", set: on(&f.long)},
		jsonFlag(&f.json),
		{name: "color", value: "WHEN", usage: "colour matches: auto, always or never", choices: colorChoices, set: choice(&f.color, colorChoices)},

		// How true it must be.
		{name: "sync", value: "TIMEOUT", optional: true, usage: "wait until every change made before is in the answer (default: 30s at most)", set: func(v string) error {
			if v == "" {
				f.Sync = wire.Duration(defaultSync)
				return nil
			}
			return duration((*time.Duration)(&f.Sync))(v)
		}},
		{name: "strict", usage: "exit with 4 if the part asked about is not up to date", set: on(&f.Strict)},
		{name: "no-warn", usage: "no warning if it is not", set: on(&f.noWarn)},
		{name: "explain", usage: "print how it would be searched, not what is found", set: on(&f.Explain)},

		// fd's, for the fingers: everything is always searched.
		{name: "hidden", aliases: []string{"H"}, hidden: true, set: ignored},
		{name: "no-ignore", aliases: []string{"I"}, hidden: true, set: ignored},
		{name: "unrestricted", aliases: []string{"u"}, hidden: true, set: ignored},
		{name: "absolute-path", aliases: []string{"a"}, hidden: true, set: ignored},
	}
}

// is makes a flag without a value one that sets dst to v.
func is[T any](dst *T, v T) func(string) error {
	return func(string) error { *dst = v; return nil }
}

func appendTo(dst *[]string) func(string) error {
	return func(v string) error {
		if v == "" {
			return fmt.Errorf("the value is empty")
		}
		*dst = append(*dst, v)
		return nil
	}
}

// split splits at commas, as -t and -e alone do.
func split(dst *[]string) func(string) error {
	return func(v string) error {
		for part := range strings.SplitSeq(v, ",") {
			if err := appendTo(dst)(part); err != nil {
				return err
			}
		}
		return nil
	}
}

func (f *findFlags) filter(of func(string) string) func(string) error {
	return func(v string) error { return appendTo(&f.Filters)(of(v)) }
}

// find asks and prints. The exit status is told by what came back.
func (p *program) find(f *findFlags) error {
	for _, t := range f.Terms {
		if t == "" {
			return usagef("an argument is empty")
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
		fmt.Fprintln(p.out, strings.TrimRight(trailer.Plan, "\n"))
		return nil
	case f.Count && f.json && !f.quiet:
		fmt.Fprintf(p.out, "{\"count\":%d}\n", trailer.Count)
	case f.Count && !f.quiet:
		fmt.Fprintln(p.out, trailer.Count)
	}
	if err := p.out.Flush(); err != nil { // the answer stands before the warning
		return err
	}
	p.judge(f, &trailer)
	return nil
}

// resolve makes what was typed independent of this place and time.
func (f *findFlags) resolve() error {
	env := &query.Env{
		Now: time.Now(), Loc: time.Local, Real: resolved,
		LookupUser: newUsers().lookup, LookupGroup: newGroups().lookup,
	}
	env.Cwd, _ = workingDir() // Resolve complains only where it is needed
	return f.Request.Resolve(env)
}

// ask has the answer printed as it comes.
func (p *program) ask(f *findFlags) (wire.Trailer, error) {
	ctx := context.Background()
	switch {
	case f.quiet, f.Explain, f.Count:
		return p.client().FindPaths(ctx, &f.FindRequest, func([]byte) error { return nil })
	case f.json:
		return p.client().Find(ctx, &f.FindRequest, p.jsonRows())
	}
	mark, err := p.newMarker(f)
	if err != nil {
		return wire.Trailer{}, err
	}
	if f.long {
		return p.client().Find(ctx, &f.FindRequest, p.longRows(mark, f.null))
	}
	return p.client().FindPaths(ctx, &f.FindRequest, p.paths(mark, f.null))
}

// judge sets the exit status and prints the one line of warning.
func (p *program) judge(f *findFlags, t *wire.Trailer) {
	if t.Count == 0 {
		p.status = nothing
	}
	if !t.Complete && (t.Count == 0 || f.Strict) || t.SyncMissed {
		p.status = stale
	}
	if f.noWarn {
		return
	}
	var parts []string
	if t.SyncMissed {
		parts = append(parts, fmt.Sprintf("changes made before may be missing, since not all were read within %s", time.Duration(f.Sync)))
	}
	p.warnStale(t, parts...)
}

// warnStale prints the one line of warning for an answer that is not up to
// date, or has another reason for one.
func (p *program) warnStale(t *wire.Trailer, reasons ...string) {
	if t.Complete && len(reasons) == 0 {
		return
	}
	if len(t.Stale) > 0 {
		s := fmt.Sprintf("%s: %s", t.Stale[0].Path, t.Stale[0].Reason)
		if more := len(t.Stale) - 1 + t.StaleMore; more > 0 {
			s += fmt.Sprintf(" (and %d more)", more)
		}
		reasons = append(reasons, s)
	}
	if len(reasons) == 0 {
		reasons = append(reasons, "a part of the index is not up to date")
	}
	p.say("warning: %s", strings.Join(reasons, "; "))
}
