package query

import (
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"indexd/internal/casefold"
	"indexd/listing"
)

// What a query means, told once more and as plainly as possible: one function
// over an entry and its path, no directories, no literals, no scanning. Globs
// are turned into regular expressions.
type naive struct {
	mode     Case
	fullPath bool
	exclude  []string
	regexes  map[string]*regexp.Regexp
}

type naiveEntry struct {
	dir   string
	depth int
	e     *listing.Entry
	meta  bool
	empty Truth
}

func (n *naive) match(x Expr, e *naiveEntry) Truth {
	all := n.eval(x, e)
	for _, g := range n.exclude {
		all = min(all, -n.excluded(g, e))
	}
	return all
}

func (n *naive) eval(x Expr, e *naiveEntry) Truth {
	known := func(b bool) Truth {
		if !e.meta {
			return Unknown
		}
		return truth(b)
	}
	switch x := x.(type) {
	case everything:
		return True
	case *and:
		all := True
		for _, k := range x.list {
			all = min(all, n.eval(k, e))
		}
		return all
	case *or:
		some := False
		for _, k := range x.list {
			some = max(some, n.eval(k, e))
		}
		return some
	case *not:
		return -n.eval(x.x, e)
	case *text:
		return truth(n.text(x, e))
	case *exts:
		for _, ext := range x.list {
			// Folding may change the length in bytes: try every cut.
			for i := range e.e.Name {
				if i > 0 && e.e.Name[i] == '.' && casefold.String(e.e.Name[i+1:]) == ext {
					return True
				}
			}
		}
		return False
	case *types:
		some := False
		for _, c := range x.letters {
			some = max(some, n.typ(byte(c), e, known))
		}
		return some
	case *numbers:
		if x.field == "depth" {
			return truth(x.lo <= int64(e.depth) && int64(e.depth) <= x.hi)
		}
		return known(x.lo <= e.e.Size && e.e.Size <= x.hi)
	case *mtime:
		m := e.e.Mtime
		return known((!x.hasLo || m.Compare(x.lo) >= 0) && (!x.hasHi || m.Compare(x.hi) <= 0))
	case *owner:
		ok := true
		if x.hasUID {
			ok = ok && (e.e.UID == x.uid) != x.notUID
		}
		if x.hasGID {
			ok = ok && (e.e.GID == x.gid) != x.notGID
		}
		return known(ok)
	case *perm:
		have := e.e.Mode & 0o7777
		switch x.how {
		case '-':
			return known(have&x.bits == x.bits)
		case '/':
			return known(x.bits == 0 || have&x.bits != 0)
		}
		return known(have == x.bits)
	case *in:
		return truth(x.dir == "/" || e.dir == x.dir || strings.HasPrefix(e.dir, x.dir+"/"))
	}
	panic("no such expression")
}

func (n *naive) typ(c byte, e *naiveEntry, known func(bool) Truth) Truth {
	t := e.e.Type()
	switch {
	case t == listing.Unknown && c == 'x':
		return known(e.e.Mode&0o111 != 0)
	case t == listing.Unknown && c == 'e':
		return known(e.e.Size == 0)
	case t == listing.Unknown:
		return Unknown
	case c == 'x' && t == listing.Regular:
		return known(e.e.Mode&0o111 != 0)
	case c == 'e' && t == listing.Regular:
		return known(e.e.Size == 0)
	case c == 'e' && t == listing.Dir:
		if !e.meta {
			return Unknown
		}
		return e.empty
	}
	return truth(t.Letter() == c)
}

func (n *naive) text(x *text, e *naiveEntry) bool {
	s := e.e.Name
	whole := false
	if x.where == wherePath || x.where == whereAuto && (n.fullPath || strings.Contains(x.pattern, "/")) {
		s, whole = path.Join(e.dir, e.e.Name), true
	}
	fold := n.mode == CaseIgnore
	if n.mode != CaseIgnore && n.mode != CaseSensitive {
		fold = true
		for _, r := range x.pattern {
			fold = fold && !unicode.IsUpper(r)
		}
		if x.kind == regex {
			fold = !regexUpper(x.pattern) // has a test of its own
		}
		if x.kind == globbing && (strings.Contains(x.pattern, "[:upper:]") || strings.Contains(x.pattern, "[:lower:]")) {
			fold = false
		}
	}
	switch x.kind {
	case substring:
		if !fold {
			return strings.Contains(s, x.pattern)
		}
		return containsFold(s, x.pattern)
	case globbing:
		pattern := x.pattern
		if whole && !strings.HasPrefix(pattern, "/") {
			pattern = "**/" + pattern
		}
		return n.regex(globRegex(pattern), fold).MatchString(encodeBytes(s))
	}
	return n.regex(x.pattern, fold).MatchString(s)
}

// containsFold looks for text from every byte of s on: a character by folding, a
// byte that is none as it is, be it in the middle of one.
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

func (n *naive) excluded(glob string, e *naiveEntry) Truth {
	dirs := strings.HasSuffix(glob, "/")
	glob = strings.TrimRight(glob, "/")
	whole := strings.Contains(glob, "/")
	if whole && glob[0] != '/' {
		glob = "**/" + glob
	}
	re := n.regex(globRegex(glob), false)
	p := path.Join(e.dir, e.e.Name)
	found := False
	for i := range e.depth {
		s := p
		if !whole {
			s = path.Base(p)
		}
		if re.MatchString(encodeBytes(s)) {
			switch {
			case i > 0 || !dirs || e.e.Type() == listing.Dir:
				found = True
			case e.e.Type() == listing.Unknown:
				found = max(found, Unknown)
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

// encodeBytes puts a rune of the private use plane for a byte that is no
// UTF-8, so that such bytes can be told apart by package regexp.
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

// globRegex is a well-formed glob as a regular expression.
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
					// Package regexp's own are of ASCII alone.
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
			// Never a '/': as the class less '/', for want of look-ahead.
			if neg != "" {
				out.WriteString(`[^/` + class.String() + `]`)
			} else {
				out.WriteString(`[` + class.String() + `]`)
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

func regexpQuote(r rune) string {
	if strings.ContainsRune(`\.+*?()|[]{}^$-`, r) {
		return `\` + string(r)
	}
	return string(r)
}
