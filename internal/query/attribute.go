package query

import "indexd/listing"

// Attribute is an Expr about the metadata of an entry, and about nothing else.
type Attribute interface {
	Expr
	// Match judges an entry whose metadata is known.
	Match(entry *listing.Entry) bool
	// Zone judges all entries that z describes at once.
	Zone(z *Zone) Truth
}

func (e *Numbers) Match(entry *listing.Entry) bool {
	n := e.Field.number(entry)
	return e.Lo <= n && n <= e.Hi
}

func (e *Numbers) Zone(z *Zone) Truth {
	if e.Field.bounds == nil {
		return Unknown
	}
	lo, hi := e.Field.bounds(z)
	switch {
	case hi < e.Lo, lo > e.Hi:
		return False
	case e.Lo <= lo && hi <= e.Hi:
		return True
	}
	return Unknown
}

func (e *Mtime) Match(entry *listing.Entry) bool {
	return !e.before(entry.Mtime) && !e.after(entry.Mtime)
}

// before reports whether t is older than the range, after whether it is newer.
func (e *Mtime) before(t listing.Time) bool { return e.HasLo && t.Compare(e.Lo) < 0 }
func (e *Mtime) after(t listing.Time) bool  { return e.HasHi && t.Compare(e.Hi) > 0 }

func (e *Mtime) Zone(z *Zone) Truth {
	switch {
	case e.before(z.Newest), e.after(z.Oldest):
		return False
	case !e.before(z.Oldest) && !e.after(z.Newest):
		return True
	}
	return Unknown
}

func (e *Owner) Match(entry *listing.Entry) bool {
	return (!e.HasUID || (entry.UID == e.UID) != e.NotUID) && (!e.HasGID || (entry.GID == e.GID) != e.NotGID)
}

func (e *Owner) Zone(*Zone) Truth { return Unknown }

func (e *Perm) Match(entry *listing.Entry) bool {
	have := entry.Mode & 0o7777
	switch e.How {
	case '-':
		return have&e.Bits == e.Bits
	case '/': // as in find(1), any of no bits matches everything
		return have&e.Bits != 0 || e.Bits == 0
	}
	return have == e.Bits
}

func (e *Perm) Zone(*Zone) Truth { return Unknown }
