package plan

import (
	"unsafe"

	"indexd/internal/casefold"
	"indexd/internal/query"
	"indexd/internal/query/pattern"
	"indexd/internal/query/scan"
	"indexd/listing"
)

// Row is one entry as far as it is known.
type Row struct {
	Entry *listing.Entry
	// NoMeta says that only Name and the type in Mode may be looked at. An
	// entry with StatErrno is taken as such too.
	NoMeta bool
	// Empty says of a directory whether it has no entries. It is looked at only
	// where the plan's NeedsEmptyDir is true, and not with NoMeta.
	Empty query.Truth
}

// Matcher judges entries, directory by directory. It is for one goroutine.
//
//	m := plan.NewMatcher()
//	for each directory {
//		switch m.Enter(dir, depth) { case False: skip it; case True: all match }
//		for at := m.Next(names, 0); at >= 0; at = m.Next(names, end of that name) {
//			switch m.Name(name, type) { case True: match; case Unknown: m.Match(&row) }
//		}
//		if !m.Below() { skip the subtree }
//	}
type Matcher struct {
	p      *Plan
	budget pattern.StepBudget
	depth  int
	buf    []byte // the directory entered and a '/', and what path puts behind
	slash  int    // the length of the directory and '/' in buf
	below  query.Truth

	here       []query.Truth // by step, of the directory entered
	remainders []pathRemainder
	globs      []pattern.GlobState // of globs on the path, behind the directory
	scratch    [2]pattern.GlobState

	folded   []byte // the directory entered, folded, if foldedOK
	foldedOK bool
	name     []byte // the name of cand, folded, if nameOK
	nameOK   bool
	cand     candidate

	scans        bool                  // ends or needles are what to look for; else any name is a candidate
	suffixes     *scan.SuffixFilter    // or nil
	searchers    []scan.ColumnSearcher // none: no name is a candidate
	ownSearchers []scan.ColumnSearcher // memory for needles
}

// NewMatcher returns a matcher that has entered no directory.
func (p *Plan) NewMatcher() *Matcher {
	return &Matcher{
		p:          p,
		here:       make([]query.Truth, p.steps),
		remainders: make([]pathRemainder, p.remainders),
		globs:      make([]pattern.GlobState, p.globs),
	}
}

// Enter makes dir the directory whose entries are judged next; dir is absolute
// and clean. depth is that of its entries, 1 for those of a root or of an In
// directory. True: every entry matches; False: none does.
func (m *Matcher) Enter(dir string, depth int) query.Truth {
	m.depth = depth
	if m.p.NeedsPath() {
		m.buf = append(m.buf[:0], dir...)
		if dir != "/" {
			m.buf = append(m.buf, '/')
		}
		m.slash = len(m.buf)
		m.foldedOK = false
	}
	here, below := m.p.root.enter(m)
	if m.budget.Stopped {
		here, below = query.False, query.False
	}
	m.below = below
	m.scans, m.suffixes, m.searchers = false, nil, nil
	if here != query.Unknown {
		return here
	}
	for _, f := range m.p.filters {
		if f.static {
			m.scans, m.suffixes, m.searchers = true, f.suffixes, f.searchers
			break
		}
		if m.ownSearchers, m.scans = f.searchersIn(m, m.ownSearchers[:0]); m.scans {
			m.searchers = m.ownSearchers
			break
		}
	}
	return here
}

// Below reports whether an entry further down, in a directory below the one
// entered, can match.
func (m *Matcher) Below() bool { return m.below != query.False }

// Next looks for candidates in names, a column of names each ended by 0x00,
// and returns the offset of a byte at or after from that lies in the next name
// which may match, its 0x00 included; -1: there is none. from is the start of
// a name. Every name that it passes over is one that Name calls False.
func (m *Matcher) Next(names []byte, from int) int {
	switch {
	case from >= len(names):
		return -1
	case !m.scans:
		return from
	case m.suffixes != nil:
		return m.suffixes.Find(names, from)
	}
	return scan.FindAny(m.searchers, names, from)
}

// Name judges an entry by its name and type (listing.Unknown if not known)
// alone. Unknown: Match decides.
func (m *Matcher) Name(name string, t listing.Type) query.Truth {
	m.cand = candidate{name: name, typ: t}
	m.nameOK = false
	return m.unlessStopped(m.p.root.entry(m, &m.cand))
}

// Match reports whether row matches.
func (m *Matcher) Match(row *Row) bool {
	m.cand = candidate{name: row.Entry.Name, typ: row.Entry.Type()}
	if !row.NoMeta && row.Entry.StatErrno == 0 {
		m.cand.meta, m.cand.empty = row.Entry, row.Empty
	}
	m.nameOK = false
	return m.unlessStopped(m.p.root.entry(m, &m.cand)) == query.True
}

func (m *Matcher) unlessStopped(t query.Truth) query.Truth {
	if m.budget.Stopped {
		return query.False
	}
	return t
}

// dir is the directory entered with a '/' at its end. It is valid until the
// next Enter.
func (m *Matcher) dir() string { return view(m.buf[:m.slash]) }

// path is the directory entered, and name. It is valid until the next call.
func (m *Matcher) path(name string) []byte {
	m.buf = append(m.buf[:m.slash], name...)
	return m.buf
}

// text is what a test looks at: the candidate's path or its name. It is valid as
// long as path is.
func (m *Matcher) text(c *candidate, path bool) string {
	if path {
		return view(m.path(c.name))
	}
	return c.name
}

func (m *Matcher) foldedDir() string {
	if !m.foldedOK {
		m.folded = casefold.Append(m.folded[:0], m.dir())
		m.foldedOK = true
	}
	return view(m.folded)
}

// foldedName is the name of the candidate in hand, folded.
func (m *Matcher) foldedName(name string) string {
	if !m.nameOK {
		m.name = casefold.Append(m.name[:0], name)
		m.nameOK = true
	}
	return view(m.name)
}

// view is b as a string, as long as b is not changed.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
