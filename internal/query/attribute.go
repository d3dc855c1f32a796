package query

import "indexd/listing"

// Attribute is an Expr about the metadata of an entry, and about nothing else.
type Attribute interface {
	Expr
	// Match judges an entry whose metadata is known.
	Match(e *listing.Entry) bool
	// Zone judges all entries that z describes at once.
	Zone(z *Zone) Truth
}

func (x *Numbers) Match(e *listing.Entry) bool {
	n := x.Field.number(e)
	return x.Lo <= n && n <= x.Hi
}

func (x *Numbers) Zone(z *Zone) Truth {
	if x.Field.bounds == nil {
		return Unknown
	}
	lo, hi := x.Field.bounds(z)
	switch {
	case hi < x.Lo, lo > x.Hi:
		return False
	case x.Lo <= lo && hi <= x.Hi:
		return True
	}
	return Unknown
}

func (x *Mtime) Match(e *listing.Entry) bool { return !x.before(e.Mtime) && !x.after(e.Mtime) }

// before reports whether t is older than the range, after whether it is newer.
func (x *Mtime) before(t listing.Time) bool { return x.HasLo && t.Compare(x.Lo) < 0 }
func (x *Mtime) after(t listing.Time) bool  { return x.HasHi && t.Compare(x.Hi) > 0 }

func (x *Mtime) Zone(z *Zone) Truth {
	switch {
	case x.before(z.Newest), x.after(z.Oldest):
		return False
	case !x.before(z.Oldest) && !x.after(z.Newest):
		return True
	}
	return Unknown
}

func (x *Owner) Match(e *listing.Entry) bool {
	return (!x.HasUID || (e.UID == x.UID) != x.NotUID) && (!x.HasGID || (e.GID == x.GID) != x.NotGID)
}

func (x *Owner) Zone(*Zone) Truth { return Unknown }

func (x *Perm) Match(e *listing.Entry) bool {
	have := e.Mode & 0o7777
	switch x.How {
	case '-':
		return have&x.Bits == x.Bits
	case '/': // as in find(1), any of no bits matches everything
		return have&x.Bits != 0 || x.Bits == 0
	}
	return have == x.Bits
}

func (x *Perm) Zone(*Zone) Truth { return Unknown }
