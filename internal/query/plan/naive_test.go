package plan

import (
	"fmt"
	"path"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"

	"indexd/internal/casefold"
	"indexd/internal/query"
	"indexd/listing"
)

// naive evaluates a query in the simplest way: one function of an entry and its path, without
// directories, literals or scanning. Globs become regular expressions.
type naive struct {
	mode     query.Case
	fullPath bool
	exclude  []string
	regexes  map[string]*regexp.Regexp
}

type naiveEntry struct {
	dir   string
	depth int
	e     *listing.Entry
	meta  bool
	empty query.Truth
}

func (n *naive) match(x query.Expr, e *naiveEntry) query.Truth {
	all := n.eval(x, e)
	for _, g := range n.exclude {
		all = min(all, -n.excluded(g, e))
	}
	return all
}

func (n *naive) eval(x query.Expr, e *naiveEntry) query.Truth {
	known := func(b bool) query.Truth {
		if !e.meta {
			return query.Unknown
		}
		return query.TruthOf(b)
	}
	switch x := x.(type) {
	case query.Everything:
		return query.True
	case *query.And:
		all := query.True
		for _, k := range x.List {
			all = min(all, n.eval(k, e))
		}
		return all
	case *query.Or:
		some := query.False
		for _, k := range x.List {
			some = max(some, n.eval(k, e))
		}
		return some
	case *query.Not:
		return -n.eval(x.X, e)
	case *query.Text:
		return query.TruthOf(n.text(x, e))
	case *query.Exts:
		for _, ext := range x.List {
			// Folding may change the length in bytes, so try every cut.
			for i := range e.e.Name {
				if i > 0 && e.e.Name[i] == '.' && casefold.String(e.e.Name[i+1:]) == ext {
					return query.True
				}
			}
		}
		return query.False
	case *query.Types:
		some := query.False
		for _, c := range x.Letters {
			some = max(some, n.typ(byte(c), e, known))
		}
		return some
	case *query.Depth:
		return query.TruthOf(x.Lo <= uint64(e.depth) && uint64(e.depth) <= x.Hi)
	case *query.Numbers:
		n, ok := map[string]uint64{
			"size": uint64(e.e.Size), "nlink": uint64(e.e.Nlink), "inode": e.e.Ino, "blocks": 512 * uint64(e.e.Blocks),
		}[x.Field.Name]
		if !ok {
			panic("no such field: " + x.Field.Name)
		}
		return known(x.Lo <= n && n <= x.Hi)
	case *query.Mtime:
		m := e.e.Mtime
		return known((!x.HasLo || m.Compare(x.Lo) >= 0) && (!x.HasHi || m.Compare(x.Hi) <= 0))
	case *query.Owner:
		ok := true
		if x.HasUID {
			ok = ok && (e.e.UID == x.UID) != x.NotUID
		}
		if x.HasGID {
			ok = ok && (e.e.GID == x.GID) != x.NotGID
		}
		return known(ok)
	case *query.Perm:
		have := e.e.Mode & 0o7777
		switch x.How {
		case '-':
			return known(have&x.Bits == x.Bits)
		case '/':
			return known(x.Bits == 0 || have&x.Bits != 0)
		}
		return known(have == x.Bits)
	case *query.In:
		return query.TruthOf(x.Dir == "/" || e.dir == x.Dir || strings.HasPrefix(e.dir, x.Dir+"/"))
	}
	panic("no such expression")
}

func (n *naive) typ(c byte, e *naiveEntry, known func(bool) query.Truth) query.Truth {
	t := e.e.Type()
	switch {
	case t == listing.Unknown && c == 'x':
		return known(e.e.Mode&0o111 != 0)
	case t == listing.Unknown && c == 'e':
		return known(e.e.Size == 0)
	case t == listing.Unknown:
		return query.Unknown
	case c == 'x' && t == listing.Regular:
		return known(e.e.Mode&0o111 != 0)
	case c == 'e' && t == listing.Regular:
		return known(e.e.Size == 0)
	case c == 'e' && t == listing.Dir:
		if !e.meta {
			return query.Unknown
		}
		return e.empty
	}
	return query.TruthOf(t.Letter() == c)
}

func (n *naive) text(x *query.Text, e *naiveEntry) bool {
	s := e.e.Name
	whole := false
	if x.Where == query.WherePath || x.Where == query.WhereAuto && (n.fullPath || strings.Contains(x.Pattern, "/")) {
		s, whole = path.Join(e.dir, e.e.Name), true
	}
	fold := n.mode == query.CaseIgnore
	if n.mode != query.CaseIgnore && n.mode != query.CaseSensitive {
		fold = true
		for _, r := range x.Pattern {
			fold = fold && !unicode.IsUpper(r)
		}
		if x.Kind == query.RegexPattern {
			fold = !query.RegexHasUpper(x.Pattern) // has its own test
		}
		if x.Kind == query.GlobPattern && (strings.Contains(x.Pattern, "[:upper:]") || strings.Contains(x.Pattern, "[:lower:]")) {
			fold = false
		}
	}
	switch x.Kind {
	case query.Substring:
		if !fold {
			return strings.Contains(s, x.Pattern)
		}
		return containsFold(s, x.Pattern)
	case query.GlobPattern:
		pattern := x.Pattern
		if whole && !strings.HasPrefix(pattern, "/") {
			pattern = "**/" + pattern
		}
		return n.regex(globRegex(pattern), fold).MatchString(encodeBytes(s))
	}
	return n.regex(x.Pattern, fold).MatchString(s)
}

// containsFold searches for text from every byte of s on. It compares characters after folding
// and other bytes as they are, even in the middle of a character.
func containsFold(s, text string) bool {
	var match func(s, text string) bool
	match = func(s, text string) bool {
		if text == "" || s == "" {
			return text == ""
		}
		r, w := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && w == 1 {
			return s[0] == text[0] && match(s[1:], text[1:])
		}
		f, v := utf8.DecodeRuneInString(s)
		return !(f == utf8.RuneError && v == 1) && casefold.Rune(f) == casefold.Rune(r) && match(s[v:], text[w:])
	}
	for ; s != ""; s = s[1:] {
		if match(s, text) {
			return true
		}
	}
	return match("", text)
}

func (n *naive) excluded(glob string, e *naiveEntry) query.Truth {
	dirs := strings.HasSuffix(glob, "/")
	glob = strings.TrimRight(glob, "/")
	whole := strings.Contains(glob, "/")
	if whole && glob[0] != '/' {
		glob = "**/" + glob
	}
	re := n.regex(globRegex(glob), false)
	p := path.Join(e.dir, e.e.Name)
	found := query.False
	for i := range e.depth {
		s := p
		if !whole {
			s = path.Base(p)
		}
		if re.MatchString(encodeBytes(s)) {
			switch {
			case i > 0 || !dirs || e.e.Type() == listing.Dir:
				found = query.True
			case e.e.Type() == listing.Unknown:
				found = max(found, query.Unknown)
			}
		}
		p = path.Dir(p)
	}
	return found
}

func (n *naive) regex(s string, fold bool) *regexp.Regexp {
	if fold {
		s = "(?i)" + s
	}
	s = "(?s)" + s
	if n.regexes == nil {
		n.regexes = map[string]*regexp.Regexp{}
	}
	re := n.regexes[s]
	if re == nil {
		re = regexp.MustCompile(s)
		n.regexes[s] = re
	}
	return re
}

// encodeBytes replaces each byte that is not UTF-8 by a private-use character, so that package
// regexp can distinguish such bytes.
func encodeBytes(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); {
		r, w := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && w == 1 {
			r = 0x10f000 + rune(s[i])
		}
		out.WriteRune(r)
		i += w
	}
	return out.String()
}

// globRegex translates a well-formed glob to a regular expression.
func globRegex(glob string) string {
	rs := []rune(encodeBytes(glob))
	var out strings.Builder
	out.WriteString(`\A(?:`)
	depth := 0
	fresh := true // at the beginning of a component
	var outer []bool
	for i := 0; i < len(rs); i++ {
		was := fresh
		fresh = rs[i] == '/'
		switch r := rs[i]; r {
		case '*':
			n := 1
			for i+1 < len(rs) && rs[i+1] == '*' {
				i++
				n++
			}
			switch {
			case n == 1:
				out.WriteString(`[^/]*`)
			case was && i+1 < len(rs) && rs[i+1] == '/':
				i++
				out.WriteString(`(?:.*/)?`)
				fresh = true
			default:
				out.WriteString(`.*`)
			}
		case '?':
			out.WriteString(`[^/]`)
		case '{':
			depth++
			outer = append(outer, was)
			fresh = was
			out.WriteString(`(?:`)
		case '}':
			depth--
			outer = outer[:len(outer)-1]
			out.WriteString(`)`)
		case ',':
			if depth > 0 {
				out.WriteString(`|`)
				fresh = outer[len(outer)-1]
			} else {
				out.WriteString(`,`)
			}
		case '[':
			i++
			neg := ""
			if rs[i] == '!' || rs[i] == '^' {
				neg = "^"
				i++
			}
			var class strings.Builder
			for first := true; rs[i] != ']' || first; first = false {
				switch {
				case rs[i] == '[' && rs[i+1] == ':':
					end := i + strings.Index(string(rs[i:]), ":]") + 1
					// The classes of package regexp contain only ASCII.
					class.WriteString(map[string]string{"[:upper:]": `\p{Lu}`, "[:digit:]": `0-9`}[string(rs[i:end+1])])
					i = end + 1
					continue
				case rs[i] == '\\':
					i++
					class.WriteString(regexpQuote(rs[i]))
				case rs[i] == '-' && !first && rs[i+1] != ']':
					class.WriteString("-")
				default:
					class.WriteString(regexpQuote(rs[i]))
				}
				i++
			}
			// Never a '/': exclude it from the class, since there is no look-ahead.
			if neg != "" {
				out.WriteString(`[^/` + class.String() + `]`)
			} else {
				out.WriteString(withoutSlash(`[` + class.String() + `]`))
			}
		case '\\':
			if i+1 < len(rs) {
				i++
			}
			fresh = rs[i] == '/'
			out.WriteString(regexpQuote(rs[i]))
		default:
			out.WriteString(regexpQuote(r))
		}
	}
	out.WriteString(`)\z`)
	return out.String()
}

// withoutSlash takes '/' out of the ranges of a class. A class that it cannot read is left to
// the caller, which compiles it.
func withoutSlash(class string) string {
	re, err := syntax.Parse(class, syntax.Perl)
	if err != nil || re.Op != syntax.OpCharClass {
		return class
	}
	var b strings.Builder
	put := func(lo, hi rune) {
		if lo <= hi {
			fmt.Fprintf(&b, `\x{%x}-\x{%x}`, lo, hi)
		}
	}
	for i := 0; i < len(re.Rune); i += 2 {
		lo, hi := re.Rune[i], re.Rune[i+1]
		if lo <= '/' && '/' <= hi {
			put(lo, '/'-1)
			put('/'+1, hi)
		} else {
			put(lo, hi)
		}
	}
	if b.Len() == 0 {
		return class
	}
	return `[` + b.String() + `]`
}

func regexpQuote(r rune) string {
	if strings.ContainsRune(`\.+*?()|[]{}^$-`, r) {
		return `\` + string(r)
	}
	return string(r)
}
