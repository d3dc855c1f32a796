package plan

import (
	"unsafe"

	"indexd/internal/casefold"
	"indexd/internal/query"
	"indexd/internal/query/pattern"
	"indexd/internal/query/scan"
	"indexd/listing"
)

// Row is one entry, as far as it is known.
type Row struct {
	Entry *listing.Entry
	// NoMeta is set if only Name and the type in Mode may be used. An entry with StatErrno is
	// treated in the same way.
	NoMeta bool
	// Empty says whether a directory has no entries. It is used only if the plan's
	// NeedsEmptyDir is true and NoMeta is not set.
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
	buf    []byte // the directory entered, a '/', and what path appends
	slash  int    // length of the directory and '/' in buf
	below  query.Truth

	here       []query.Truth // by step: its value for the directory entered
	remainders []pathRemainder
	globs      []pattern.GlobState // of globs on the path: the state behind the directory
	scratch    [2]pattern.GlobState

	folded   []byte // the directory entered, folded, if foldedOK
	foldedOK bool
	name     []byte // the name of cand, folded, if nameOK
	nameOK   bool
	cand     candidate

	scans        bool                  // suffixes or searchers find the candidates; otherwise every name is one
	suffixes     *scan.SuffixFilter    // or nil
	searchers    []scan.ColumnSearcher // if there are none, no name is a candidate
	ownSearchers []scan.ColumnSearcher // memory for searchers
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

// Enter makes dir the directory whose entries are judged next. dir is absolute and clean.
// depth is the depth of its entries: 1 for those of a root or of an In directory. The result
// is True if every entry matches, False if none does.
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

// Below reports whether an entry in a directory below the one entered can match.
func (m *Matcher) Below() bool { return m.below != query.False }

// Next searches for candidates in names, a column of names each ended by 0x00. It returns the
// offset of a byte at or after from that belongs to the next name that may match or to the
// 0x00 behind it, or -1. from is the beginning of a name. Name returns False for every name
// that Next skips.
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

// Name judges an entry by its name and type alone; t may be listing.Unknown. If the result is
// Unknown, Match decides.
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

// dir returns the directory entered, with a '/' at its end. It is valid until the next Enter.
func (m *Matcher) dir() string { return view(m.buf[:m.slash]) }

// path returns the path of name in the directory entered. It is valid until the next call.
func (m *Matcher) path(name string) []byte {
	m.buf = append(m.buf[:m.slash], name...)
	return m.buf
}

// text returns the candidate's path or its name. It is valid as long as the result of path is.
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

// foldedName returns the name of the current candidate, folded.
func (m *Matcher) foldedName(name string) string {
	if !m.nameOK {
		m.name = casefold.Append(m.name[:0], name)
		m.nameOK = true
	}
	return view(m.name)
}

// view returns b as a string that is valid as long as b does not change.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
