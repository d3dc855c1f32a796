package plan

import (
	"strings"

	"indexd/internal/query"
	"indexd/listing"
)

// Tests on what an entry is, as opposed to what it is called.

// typeTest is type:, except for x and e.
type typeTest struct {
	unknown
	set uint16 // a bit for each listing.Type
}

func (t *typeTest) needs() query.Needs { return 0 }
func (t *typeTest) cost() int          { return costType }

func (t *typeTest) entry(_ *Matcher, c *candidate) query.Truth {
	if c.typ == listing.Unknown {
		return query.Unknown
	}
	return query.TruthOf(t.set&(1<<c.typ) != 0)
}

func (t *typeTest) zone(z *query.Zone) query.Truth {
	const dir = 1 << listing.Dir
	switch {
	case z.Dirs == 0 && t.set == dir:
		return query.False
	case z.Dirs == z.Count:
		return query.TruthOf(t.set&dir != 0)
	}
	return query.Unknown
}

// execTest is type:x: a regular file with any x bit.
type execTest struct{ unknown }

func (execTest) needs() query.Needs { return query.NeedsMeta }
func (execTest) cost() int          { return costMeta }

func (execTest) entry(_ *Matcher, c *candidate) query.Truth {
	switch {
	case c.typ != listing.Regular && c.typ != listing.Unknown:
		return query.False
	case c.meta == nil:
		return query.Unknown
	}
	return query.TruthOf(c.meta.Mode&0o111 != 0)
}

// emptyTest is type:e: a regular file of size 0, or a directory without entries.
type emptyTest struct{ unknown }

func (emptyTest) needs() query.Needs { return query.NeedsMeta | query.NeedsEmptyDir }
func (emptyTest) cost() int          { return costMeta }

func (emptyTest) entry(_ *Matcher, c *candidate) query.Truth {
	switch {
	case c.typ == listing.Dir:
		return c.empty
	case c.typ != listing.Regular && c.typ != listing.Unknown:
		return query.False
	case c.meta == nil:
		return query.Unknown
	}
	return query.TruthOf(c.meta.Size == 0)
}

func (emptyTest) zone(z *query.Zone) query.Truth {
	if z.Dirs == 0 && z.MinSize > 0 {
		return query.False
	}
	return query.Unknown
}

// attributeTest is a test on metadata.
type attributeTest struct {
	unknown
	query.Attribute
}

func (t *attributeTest) needs() query.Needs             { return query.NeedsMeta }
func (t *attributeTest) cost() int                      { return costMeta }
func (t *attributeTest) zone(z *query.Zone) query.Truth { return t.Zone(z) }

func (t *attributeTest) entry(_ *Matcher, c *candidate) query.Truth {
	if c.meta == nil {
		return query.Unknown
	}
	return query.TruthOf(t.Match(c.meta))
}

// Tests that the directory decides.

type depthTest struct{ *query.Depth }

func (t *depthTest) needs() query.Needs                     { return 0 }
func (t *depthTest) cost() int                              { return costFixed }
func (t *depthTest) zone(*query.Zone) query.Truth           { return query.Unknown }
func (t *depthTest) entry(*Matcher, *candidate) query.Truth { return query.Unknown }

func (t *depthTest) enter(m *Matcher) (here, below query.Truth) {
	d := uint64(m.depth)
	switch {
	case d >= t.Hi:
		below = query.False
	case d+1 >= t.Lo && t.Hi == query.MaxNumber:
		below = query.True
	}
	return query.TruthOf(t.Lo <= d && d <= t.Hi), below
}

// inTest is in:, which holds for everything below dir.
type inTest struct{ dir string } // ends with a '/'

func (t *inTest) needs() query.Needs                     { return query.NeedsPath }
func (t *inTest) cost() int                              { return costFixed }
func (t *inTest) zone(*query.Zone) query.Truth           { return query.Unknown }
func (t *inTest) entry(*Matcher, *candidate) query.Truth { return query.Unknown }

func (t *inTest) enter(m *Matcher) (here, below query.Truth) {
	dir := m.dir() // ends with a '/' too
	switch {
	case strings.HasPrefix(dir, t.dir):
		return query.True, query.True
	case strings.HasPrefix(t.dir, dir):
		return query.False, query.Unknown
	}
	return query.False, query.False
}

// constant gives every entry the same value.
type constant struct{ value query.Truth }

func (t constant) needs() query.Needs                       { return 0 }
func (t constant) cost() int                                { return costFixed }
func (t constant) zone(*query.Zone) query.Truth             { return t.value }
func (t constant) entry(*Matcher, *candidate) query.Truth   { return t.value }
func (t constant) enter(*Matcher) (here, below query.Truth) { return t.value, t.value }
