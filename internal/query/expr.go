package query

import (
	"fmt"
	"strconv"
	"strings"

	"indexd/listing"
)

// Expr is a query that was understood. It is absolute: what depends on time,
// place or the names of users is resolved. Parse of its String gives an equal
// Expr again.
type Expr interface {
	// String is the canonical text of the query.
	String() string
	isExpr()
}

// The kinds of Expr. Lists have at least two elements, of which none is of the
// list's own kind; Not is of no Not.
type (
	everything struct{}
	and        struct{ list []Expr }
	or         struct{ list []Expr }
	not        struct{ x Expr }

	// text is a pattern on the name or the path.
	text struct {
		kind    textKind
		where   textWhere
		pattern string // a glob is in the form that globText gives
	}
	// exts holds for a name that ends in a dot and one of list, folded, and has
	// something before.
	exts struct{ list []string }
	// types holds for an entry of any of the types, in the order of typeLetters.
	types struct{ letters string }
	// numbers is size: or depth:, both ends included.
	numbers struct {
		field  string
		lo, hi int64
	}
	// mtime has both ends included; an end that is not there is hasLo or hasHi
	// false.
	mtime struct {
		lo, hi       listing.Time
		hasLo, hasHi bool
	}
	// owner is owner:USER[:GROUP] and group:GROUP.
	owner struct {
		uid, gid       uint32
		hasUID, hasGID bool
		notUID, notGID bool
	}
	perm struct {
		how  byte // 0: exactly these bits, '-': all of them, '/': any
		bits uint32
	}
	in struct{ dir string }
)

type textKind uint8

const (
	substring textKind = iota
	globbing
	regex
)

type textWhere uint8

const (
	whereAuto textWhere = iota // the path if the pattern has a '/', else the name
	whereName
	wherePath
)

func (everything) isExpr() {}
func (*and) isExpr()       {}
func (*or) isExpr()        {}
func (*not) isExpr()       {}
func (*text) isExpr()      {}
func (*exts) isExpr()      {}
func (*types) isExpr()     {}
func (*numbers) isExpr()   {}
func (*mtime) isExpr()     {}
func (*owner) isExpr()     {}
func (*perm) isExpr()      {}
func (*in) isExpr()        {}

// conjunction is all of list, flat.
func conjunction(list ...Expr) Expr {
	var flat []Expr
	for _, x := range list {
		switch x := x.(type) {
		case everything:
		case *and:
			flat = append(flat, x.list...)
		default:
			flat = append(flat, x)
		}
	}
	switch len(flat) {
	case 0:
		return everything{}
	case 1:
		return flat[0]
	}
	return &and{flat}
}

// disjunction is any of list, flat. list is not empty.
func disjunction(list ...Expr) Expr {
	var flat []Expr
	for _, x := range list {
		if o, ok := x.(*or); ok {
			flat = append(flat, o.list...)
		} else {
			flat = append(flat, x)
		}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return &or{flat}
}

func negation(x Expr) Expr {
	if x, ok := x.(*not); ok {
		return x.x
	}
	return &not{x}
}

func (everything) String() string { return "" }

func (e *and) String() string { return joinExprs(e.list, " ") }
func (e *or) String() string  { return joinExprs(e.list, " OR ") }
func (e *not) String() string { return "NOT " + inParens(e.x) }

func joinExprs(list []Expr, sep string) string {
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = x.String() // an AND in an OR needs no parentheses
		if _, ok := x.(*or); ok {
			parts[i] = inParens(x)
		}
	}
	return strings.Join(parts, sep)
}

func inParens(x Expr) string {
	switch x.(type) {
	case *and, *or:
		return "( " + x.String() + " )"
	}
	return x.String()
}

func (e *text) String() string {
	switch {
	case e.kind == regex:
		return "re:" + quoteValue(e.pattern)
	case e.where == whereName:
		return "name:" + e.word()
	case e.where == wherePath:
		return "path:" + e.word()
	}
	return e.word()
}

func (e *text) word() string {
	if e.kind == globbing {
		return quoteGlob(e.pattern)
	}
	return quote(e.pattern)
}

// A field's value, as it stands in a filter: verbatim.
type field interface {
	Expr
	name() string
	value() string
}

func (e *types) name() string   { return "type" }
func (e *numbers) name() string { return e.field }
func (e *mtime) name() string   { return "mtime" }
func (e *perm) name() string    { return "perm" }
func (e *exts) name() string    { return "ext" }
func (e *in) name() string      { return "in" }
func (e *owner) name() string {
	if e.hasUID {
		return "owner"
	}
	return "group"
}

// filterString writes a field as a filter.
func filterString(f field) string { return f.name() + ":" + f.value() }

func wordString(f field) string { return f.name() + ":" + quoteValue(f.value()) }

func (e *types) String() string   { return wordString(e) }
func (e *numbers) String() string { return wordString(e) }
func (e *mtime) String() string   { return wordString(e) }
func (e *owner) String() string   { return wordString(e) }
func (e *perm) String() string    { return wordString(e) }
func (e *in) String() string      { return wordString(e) }

func (e *exts) String() string {
	list := make([]string, len(e.list))
	for i, x := range e.list {
		list[i] = quoteValue(x)
		if strings.Contains(x, ",") {
			list[i] = inQuotes(x)
		}
	}
	return "ext:" + strings.Join(list, ",")
}

// quoteValue writes the value of a field, of which only blanks and quotes need
// quoting.
func quoteValue(s string) string {
	if s != "" && !strings.ContainsAny(s, blanks+`"`) {
		return s
	}
	return inQuotes(s)
}

func (e *exts) value() string { return strings.Join(e.list, ",") }

func (e *types) value() string {
	return strings.Join(strings.Split(e.letters, ""), ",")
}

func (e *numbers) value() string {
	switch {
	case e.lo == e.hi:
		return strconv.FormatInt(e.lo, 10)
	case e.hi == maxNumber:
		return ">=" + strconv.FormatInt(e.lo, 10)
	case e.lo == 0:
		return "<=" + strconv.FormatInt(e.hi, 10)
	}
	return fmt.Sprintf("%d..%d", e.lo, e.hi)
}

func (e *mtime) value() string {
	switch {
	case !e.hasHi:
		return ">=" + formatTime(e.lo, false)
	case !e.hasLo:
		return "<=" + formatTime(e.hi, true)
	}
	return formatTime(e.lo, false) + ".." + formatTime(e.hi, true)
}

func (e *owner) value() string {
	var user, group string
	if e.hasUID {
		user = number(e.notUID, e.uid)
	}
	if e.hasGID {
		group = number(e.notGID, e.gid)
	}
	switch {
	case !e.hasGID:
		return user
	case !e.hasUID:
		return group
	}
	return user + ":" + group
}

func number(not bool, n uint32) string {
	s := strconv.FormatUint(uint64(n), 10)
	if not {
		return "!" + s
	}
	return s
}

func (e *perm) value() string {
	s := strconv.FormatUint(uint64(e.bits), 8)
	if e.how != 0 {
		s = string(e.how) + s
	}
	return s
}

func (e *in) value() string { return e.dir }
