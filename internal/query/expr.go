package query

import (
	"fmt"
	"strconv"
	"strings"

	"indexd/listing"
)

// Expr is a parsed query. It depends on no time, place or names of users; those are resolved.
// Parsing its String gives an equal Expr.
type Expr interface {
	// String returns the canonical text of the query.
	String() string
	isExpr()
}

// The kinds of Expr. Lists have at least two elements, none of the list's own kind. X is no
// *Not.
type (
	// Everything matches every entry.
	Everything struct{}
	// And matches what all of List match.
	And struct{ List []Expr }
	// Or matches what any of List matches.
	Or struct{ List []Expr }
	// Not matches what X does not match.
	Not struct{ X Expr }

	// Text is a pattern on the name or the path.
	Text struct {
		Kind    TextKind
		Where   TextWhere
		Pattern string // a glob is in the form that GlobText returns
	}
	// Exts holds for a name that ends with a dot and one of List, which is folded, and has
	// something before the dot.
	Exts struct{ List []string }
	// Types holds for an entry of any of the types, which are in the order of typeNames.
	Types struct{ Letters string }
	// Numbers holds if the field's number is in the range, which includes both ends.
	Numbers struct {
		Field  *Field
		Lo, Hi uint64
	}
	// Depth is depth:, a range that includes both ends.
	Depth struct{ Lo, Hi uint64 }
	// Mtime is a range that includes both ends. HasLo and HasHi say which ends there are.
	Mtime struct {
		Lo, Hi       listing.Time
		HasLo, HasHi bool
	}
	// Owner is owner:USER[:GROUP] or group:GROUP.
	Owner struct {
		UID, GID       uint32
		HasUID, HasGID bool
		NotUID, NotGID bool
	}
	// Perm is perm:, a test of permission bits.
	Perm struct {
		How  byte // 0 for exactly these bits, '-' for all of them, '/' for any of them
		Bits uint32
	}
	// In matches everything below Dir.
	In struct{ Dir string }
)

// TextKind is the kind of pattern in a Text.
type TextKind uint8

const (
	Substring TextKind = iota
	GlobPattern
	RegexPattern
	LocateGlob // a glob of ModeLocate, for ParseLocateGlob
	WordRegex  // a POSIX regular expression with \< \> \b or \B, for package pattern
)

// TextWhere is what a Text is matched against.
type TextWhere uint8

const (
	WhereAuto TextWhere = iota // the path if the pattern has a '/', else the name
	WhereName
	WherePath
)

func (Everything) isExpr() {}
func (*And) isExpr()       {}
func (*Or) isExpr()        {}
func (*Not) isExpr()       {}
func (*Text) isExpr()      {}
func (*Exts) isExpr()      {}
func (*Types) isExpr()     {}
func (*Numbers) isExpr()   {}
func (*Depth) isExpr()     {}
func (*Mtime) isExpr()     {}
func (*Owner) isExpr()     {}
func (*Perm) isExpr()      {}
func (*In) isExpr()        {}

// Conjunction returns the AND of list, without nested ANDs.
func Conjunction(list ...Expr) Expr {
	var flat []Expr
	for _, x := range list {
		switch x := x.(type) {
		case Everything:
		case *And:
			flat = append(flat, x.List...)
		default:
			flat = append(flat, x)
		}
	}
	switch len(flat) {
	case 0:
		return Everything{}
	case 1:
		return flat[0]
	}
	return &And{flat}
}

// disjunction returns the OR of list, which is not empty, without nested ORs.
func disjunction(list ...Expr) Expr {
	var flat []Expr
	for _, x := range list {
		if o, ok := x.(*Or); ok {
			flat = append(flat, o.List...)
		} else {
			flat = append(flat, x)
		}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return &Or{flat}
}

func negation(x Expr) Expr {
	if x, ok := x.(*Not); ok {
		return x.X
	}
	return &Not{x}
}

func (Everything) String() string { return "" }

func (e *And) String() string { return joinExprs(e.List, " ") }
func (e *Or) String() string  { return joinExprs(e.List, " OR ") }
func (e *Not) String() string { return "NOT " + inParens(e.X) }

func joinExprs(list []Expr, sep string) string {
	parts := make([]string, len(list))
	for i, x := range list {
		parts[i] = x.String() // an AND in an OR needs no parentheses
		if _, ok := x.(*Or); ok {
			parts[i] = inParens(x)
		}
	}
	return strings.Join(parts, sep)
}

func inParens(x Expr) string {
	switch x.(type) {
	case *And, *Or:
		return "( " + x.String() + " )"
	}
	return x.String()
}

func (e *Text) String() string {
	switch e.Kind {
	case RegexPattern, WordRegex: // the language knows only RegexPattern
		return "re:" + quoteValue(e.Pattern)
	case LocateGlob: // for people: the language cannot express it
		return "fnmatch:" + quoteValue(e.Pattern)
	case Substring, GlobPattern:
	}
	return [...]string{WhereAuto: "", WhereName: "name:", WherePath: "path:"}[e.Where] + e.word()
}

func (e *Text) word() string {
	if e.Kind == GlobPattern {
		return quoteGlob(e.Pattern)
	}
	return quote(e.Pattern)
}

// field is an Expr that is written as a field and a value.
type field interface {
	Expr
	name() string
	value() string
}

func (e *Types) name() string   { return "type" }
func (e *Numbers) name() string { return e.Field.Name }
func (e *Depth) name() string   { return "depth" }
func (e *Mtime) name() string   { return "mtime" }
func (e *Perm) name() string    { return "perm" }
func (e *Exts) name() string    { return "ext" }
func (e *In) name() string      { return "in" }
func (e *Owner) name() string {
	if e.HasUID {
		return "owner"
	}
	return "group"
}

// filterString writes a field as a filter, with its value verbatim.
func filterString(f field) string { return f.name() + ":" + f.value() }

func wordString(f field) string { return f.name() + ":" + quoteValue(f.value()) }

func (e *Types) String() string   { return wordString(e) }
func (e *Numbers) String() string { return wordString(e) }
func (e *Depth) String() string   { return wordString(e) }
func (e *Mtime) String() string   { return wordString(e) }
func (e *Owner) String() string   { return wordString(e) }
func (e *Perm) String() string    { return wordString(e) }
func (e *In) String() string      { return wordString(e) }

func (e *Exts) String() string {
	list := make([]string, len(e.List))
	for i, x := range e.List {
		list[i] = quoteValue(x)
		if strings.Contains(x, ",") {
			list[i] = inQuotes(x)
		}
	}
	return "ext:" + strings.Join(list, ",")
}

// quoteValue writes the value of a field. Only blanks and quotes need quoting.
func quoteValue(s string) string {
	if s != "" && !strings.ContainsAny(s, blanks+`"`) {
		return s
	}
	return inQuotes(s)
}

func (e *Exts) value() string { return strings.Join(e.List, ",") }

func (e *Types) value() string {
	return strings.Join(strings.Split(e.Letters, ""), ",")
}

func (e *Numbers) value() string { return intervalText(e.Lo, e.Hi) }
func (e *Depth) value() string   { return intervalText(e.Lo, e.Hi) }

// intervalText writes what fieldValue.interval reads.
func intervalText(lo, hi uint64) string {
	switch {
	case lo == hi:
		return strconv.FormatUint(lo, 10)
	case hi == MaxNumber:
		return ">=" + strconv.FormatUint(lo, 10)
	case lo == 0:
		return "<=" + strconv.FormatUint(hi, 10)
	}
	return fmt.Sprintf("%d..%d", lo, hi)
}

func (e *Mtime) value() string {
	switch {
	case !e.HasHi:
		return ">=" + formatTime(e.Lo, false)
	case !e.HasLo:
		return "<=" + formatTime(e.Hi, true)
	}
	return formatTime(e.Lo, false) + ".." + formatTime(e.Hi, true)
}

func (e *Owner) value() string {
	var user, group string
	if e.HasUID {
		user = number(e.NotUID, e.UID)
	}
	if e.HasGID {
		group = number(e.NotGID, e.GID)
	}
	switch {
	case !e.HasGID:
		return user
	case !e.HasUID:
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

func (e *Perm) value() string {
	s := strconv.FormatUint(uint64(e.Bits), 8)
	if e.How != 0 {
		s = string(e.How) + s
	}
	return s
}

func (e *In) value() string { return e.Dir }
