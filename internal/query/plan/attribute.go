package plan

import (
	"strings"

	"indexd/internal/query"
	"indexd/listing"
)

// The tests on what an entry is, as against how it is called.

// typeTest is type: but for x and e.
type typeTest struct {
	unknown
	set uint16 // bits by listing.Type
}

func (t *typeTest) cost() int { return costType }

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

// execTest is type:x, a regular file with any x bit.
type execTest struct{ unknown }

func (execTest) cost() int { return costMeta }

func (execTest) entry(_ *Matcher, c *candidate) query.Truth {
	switch {
	case c.typ != listing.Regular && c.typ != listing.Unknown:
		return query.False
	case c.meta == nil:
		return query.Unknown
	}
	return query.TruthOf(c.meta.Mode&0o111 != 0)
}

// emptyTest is type:e, a regular file of no bytes or a directory of no
// entries.
type emptyTest struct{ unknown }

func (emptyTest) cost() int { return costMeta }

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

type sizeTest struct {
	unknown
	lo, hi int64
}

func (t *sizeTest) cost() int { return costMeta }

func (t *sizeTest) entry(_ *Matcher, c *candidate) query.Truth {
	if c.meta == nil {
		return query.Unknown
	}
	return query.TruthOf(t.lo <= c.meta.Size && c.meta.Size <= t.hi)
}

func (t *sizeTest) zone(z *query.Zone) query.Truth {
	switch {
	case z.MaxSize < t.lo, z.MinSize > t.hi:
		return query.False
	case t.lo <= z.MinSize && z.MaxSize <= t.hi:
		return query.True
	}
	return query.Unknown
}

type mtimeTest struct {
	unknown
	*query.Mtime
}

func (t *mtimeTest) cost() int { return costMeta }

func (t *mtimeTest) entry(_ *Matcher, c *candidate) query.Truth {
	if c.meta == nil {
		return query.Unknown
	}
	return query.TruthOf(!t.before(c.meta.Mtime) && !t.after(c.meta.Mtime))
}

// before reports whether x is older than the range, after whether it is newer.
func (t *mtimeTest) before(x listing.Time) bool { return t.HasLo && x.Compare(t.Lo) < 0 }
func (t *mtimeTest) after(x listing.Time) bool  { return t.HasHi && x.Compare(t.Hi) > 0 }

func (t *mtimeTest) zone(z *query.Zone) query.Truth {
	switch {
	case t.before(z.Newest), t.after(z.Oldest):
		return query.False
	case !t.before(z.Oldest) && !t.after(z.Newest):
		return query.True
	}
	return query.Unknown
}

type ownerTest struct {
	unknown
	*query.Owner
}

func (t *ownerTest) cost() int { return costMeta }

func (t *ownerTest) entry(_ *Matcher, c *candidate) query.Truth {
	if c.meta == nil {
		return query.Unknown
	}
	return query.TruthOf((!t.HasUID || (c.meta.UID == t.UID) != t.NotUID) &&
		(!t.HasGID || (c.meta.GID == t.GID) != t.NotGID))
}

type permTest struct {
	unknown
	*query.Perm
}

func (t *permTest) cost() int { return costMeta }

func (t *permTest) entry(_ *Matcher, c *candidate) query.Truth {
	if c.meta == nil {
		return query.Unknown
	}
	have := c.meta.Mode & 0o7777
	switch t.How {
	case '-':
		return query.TruthOf(have&t.Bits == t.Bits)
	case '/': // as in find, any of none is all
		return query.TruthOf(have&t.Bits != 0 || t.Bits == 0)
	}
	return query.TruthOf(have == t.Bits)
}

// The tests that the directory decides.

type depthTest struct{ lo, hi int64 }

func (t *depthTest) cost() int                              { return costFixed }
func (t *depthTest) zone(*query.Zone) query.Truth           { return query.Unknown }
func (t *depthTest) entry(*Matcher, *candidate) query.Truth { return query.Unknown }

func (t *depthTest) enter(m *Matcher) (here, below query.Truth) {
	d := int64(m.depth)
	switch {
	case d >= t.hi:
		below = query.False
	case d+1 >= t.lo && t.hi == query.MaxNumber:
		below = query.True
	}
	return query.TruthOf(t.lo <= d && d <= t.hi), below
}

// inTest is in:, what is somewhere below dir.
type inTest struct{ dir string } // ends with a '/'

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

// constant is the same for every entry.
type constant struct{ value query.Truth }

func (t constant) cost() int                                { return costFixed }
func (t constant) zone(*query.Zone) query.Truth             { return t.value }
func (t constant) entry(*Matcher, *candidate) query.Truth   { return t.value }
func (t constant) enter(*Matcher) (here, below query.Truth) { return t.value, t.value }
