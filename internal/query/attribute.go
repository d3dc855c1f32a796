package query

import (
	"strings"

	"indexd/listing"
)

// The tests on what an entry is, as against how it is called.

// typeTest is type: but for x and e.
type typeTest struct {
	unknown
	set uint16 // bits by listing.Type
}

func (t *typeTest) cost() int { return costType }

func (t *typeTest) entry(_ *Matcher, c *candidate) Truth {
	if c.typ == listing.Unknown {
		return Unknown
	}
	return truth(t.set&(1<<c.typ) != 0)
}

func (t *typeTest) zone(z *Zone) Truth {
	const dir = 1 << listing.Dir
	switch {
	case z.Dirs == 0 && t.set == dir:
		return False
	case z.Dirs == z.Count:
		return truth(t.set&dir != 0)
	}
	return Unknown
}

// execTest is type:x, a regular file with any x bit.
type execTest struct{ unknown }

func (execTest) cost() int { return costMeta }

func (execTest) entry(_ *Matcher, c *candidate) Truth {
	switch {
	case c.typ != listing.Regular && c.typ != listing.Unknown:
		return False
	case c.meta == nil:
		return Unknown
	}
	return truth(c.meta.Mode&0o111 != 0)
}

// emptyTest is type:e, a regular file of no bytes or a directory of no
// entries.
type emptyTest struct{ unknown }

func (emptyTest) cost() int { return costMeta }

func (emptyTest) entry(_ *Matcher, c *candidate) Truth {
	switch {
	case c.typ == listing.Dir:
		return c.empty
	case c.typ != listing.Regular && c.typ != listing.Unknown:
		return False
	case c.meta == nil:
		return Unknown
	}
	return truth(c.meta.Size == 0)
}

func (emptyTest) zone(z *Zone) Truth {
	if z.Dirs == 0 && z.MinSize > 0 {
		return False
	}
	return Unknown
}

type sizeTest struct {
	unknown
	lo, hi int64
}

func (t *sizeTest) cost() int { return costMeta }

func (t *sizeTest) entry(_ *Matcher, c *candidate) Truth {
	if c.meta == nil {
		return Unknown
	}
	return truth(t.lo <= c.meta.Size && c.meta.Size <= t.hi)
}

func (t *sizeTest) zone(z *Zone) Truth {
	switch {
	case z.MaxSize < t.lo, z.MinSize > t.hi:
		return False
	case t.lo <= z.MinSize && z.MaxSize <= t.hi:
		return True
	}
	return Unknown
}

type mtimeTest struct {
	unknown
	*mtime
}

func (t *mtimeTest) cost() int { return costMeta }

func (t *mtimeTest) entry(_ *Matcher, c *candidate) Truth {
	if c.meta == nil {
		return Unknown
	}
	return truth(!t.before(c.meta.Mtime) && !t.after(c.meta.Mtime))
}

// before reports whether x is older than the range, after whether it is newer.
func (t *mtime) before(x listing.Time) bool { return t.hasLo && x.Compare(t.lo) < 0 }
func (t *mtime) after(x listing.Time) bool  { return t.hasHi && x.Compare(t.hi) > 0 }

func (t *mtimeTest) zone(z *Zone) Truth {
	switch {
	case t.before(z.Newest), t.after(z.Oldest):
		return False
	case !t.before(z.Oldest) && !t.after(z.Newest):
		return True
	}
	return Unknown
}

type ownerTest struct {
	unknown
	*owner
}

func (t *ownerTest) cost() int { return costMeta }

func (t *ownerTest) entry(_ *Matcher, c *candidate) Truth {
	if c.meta == nil {
		return Unknown
	}
	return truth((!t.hasUID || (c.meta.UID == t.uid) != t.notUID) &&
		(!t.hasGID || (c.meta.GID == t.gid) != t.notGID))
}

type permTest struct {
	unknown
	*perm
}

func (t *permTest) cost() int { return costMeta }

func (t *permTest) entry(_ *Matcher, c *candidate) Truth {
	if c.meta == nil {
		return Unknown
	}
	have := c.meta.Mode & 0o7777
	switch t.how {
	case '-':
		return truth(have&t.bits == t.bits)
	case '/': // as in find, any of none is all
		return truth(have&t.bits != 0 || t.bits == 0)
	}
	return truth(have == t.bits)
}

// The tests that the directory decides.

type depthTest struct{ lo, hi int64 }

func (t *depthTest) cost() int                        { return costFixed }
func (t *depthTest) zone(*Zone) Truth                 { return Unknown }
func (t *depthTest) entry(*Matcher, *candidate) Truth { return Unknown }

func (t *depthTest) enter(m *Matcher) (here, below Truth) {
	d := int64(m.depth)
	switch {
	case d >= t.hi:
		below = False
	case d+1 >= t.lo && t.hi == maxNumber:
		below = True
	}
	return truth(t.lo <= d && d <= t.hi), below
}

// inTest is in:, what is somewhere below dir.
type inTest struct{ dir string } // ends with a '/'

func (t *inTest) cost() int                        { return costFixed }
func (t *inTest) zone(*Zone) Truth                 { return Unknown }
func (t *inTest) entry(*Matcher, *candidate) Truth { return Unknown }

func (t *inTest) enter(m *Matcher) (here, below Truth) {
	dir := m.dir() // ends with a '/' too
	switch {
	case strings.HasPrefix(dir, t.dir):
		return True, True
	case strings.HasPrefix(t.dir, dir):
		return False, Unknown
	}
	return False, False
}

// constant is the same for every entry.
type constant struct{ value Truth }

func (t constant) cost() int                          { return costFixed }
func (t constant) zone(*Zone) Truth                   { return t.value }
func (t constant) entry(*Matcher, *candidate) Truth   { return t.value }
func (t constant) enter(*Matcher) (here, below Truth) { return t.value, t.value }
