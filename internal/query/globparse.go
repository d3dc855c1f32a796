package query

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A glob is read as a list of parts. A character is a rune, or, of what is no
// UTF-8, one byte b as invalid+b, so that every name is a list of characters.
//
//   - any characters but '/'
//     **       any characters; as a whole component "**/", any number of components, none included
//     ?        one character but '/'
//     [a-z]    one of these, [!a-z] or [^a-z] none of these, never '/'; [[:digit:]]
//     {a,b}    one of these globs
//     \c       c itself
type globPart struct {
	op    globOp
	c     rune         // opChar
	class *globClass   // opClass
	alts  [][]globPart // opAlt
}

type globOp uint8

const (
	opChar globOp = iota
	opAny
	opClass
	opStar
	opStars // "**" that is not a component
	opDirs  // "**/" that is one
	opAlt
)

// globClass is a set of characters; '/' is in none.
type globClass struct {
	negated bool
	ranges  []globRange // in order, apart
	named   []string    // of classNames
}

type globRange struct{ lo, hi rune }

const (
	globMeta = `*?[]{}`
	invalid  = unicode.MaxRune + 1
	// maxBraces is how deep braces may nest.
	maxBraces = 50
)

// decode returns the first character of s and its length.
func decode(s string) (rune, int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	r, w := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && w == 1 {
		return invalid + rune(s[0]), 1
	}
	return r, w
}

// appendChar is the inverse of decode.
func appendChar(b []byte, c rune) []byte {
	if c >= invalid {
		return append(b, byte(c-invalid))
	}
	return utf8.AppendRune(b, c)
}

type globParser struct {
	in    chars
	s     string // in.b
	pos   int
	depth int
	err   *SyntaxError // with no Text
}

// ParseGlob reads a glob in which nothing is quoted. Errors are of type *SyntaxError.
func ParseGlob(s string) ([]globPart, error) { return parseGlob(s, plain(s, 0)) }

// parseGlob reads c, of which quoted bytes stand for themselves. text is what
// errors are about.
func parseGlob(text string, c chars) ([]globPart, error) {
	p := &globParser{in: c, s: c.String()}
	parts := p.sequence(true)
	if p.err == nil && p.pos < len(p.s) { // stopped at a '}' or ',' that is not ours
		p.fail(p.pos, "'}' without '{' before it", literalHint("}"))
	}
	if p.err != nil {
		p.err.Text = text
		return nil, p.err
	}
	return parts, nil
}

func literalHint(s string) string {
	return "to search for it as it stands, put it in quotes: \"" + s + "\", or write \\" + s
}

func (p *globParser) fail(pos int, msg, hint string) {
	if p.err == nil {
		p.err = &SyntaxError{Pos: p.in.at[pos], Msg: msg, Hint: hint}
	}
}

// more reports whether the byte at pos is the unquoted b.
func (p *globParser) more(b byte) bool { return p.pos < len(p.s) && p.in.bare(p.pos, b) }

// sequence reads up to the end, or in braces up to a ',' or '}'. fresh says
// that it begins a component.
func (p *globParser) sequence(fresh bool) []globPart {
	var parts []globPart
	for p.pos < len(p.s) && p.err == nil {
		if p.in.quoted[p.pos] {
			parts = append(parts, p.char())
		} else {
			switch p.s[p.pos] {
			case '*':
				part := p.star(fresh)
				if n := len(parts); n > 0 && part.op == opDirs && parts[n-1].op == opDirs {
					break // "**/**/" is "**/"
				}
				parts = append(parts, part)
			case '?':
				p.pos++
				parts = append(parts, globPart{op: opAny})
			case '[':
				parts = append(parts, p.class())
			case '{':
				parts = append(parts, p.braces(fresh))
			case '}':
				return parts
			case ',':
				if p.depth > 0 {
					return parts
				}
				parts = append(parts, p.char())
			case '\\':
				// The last byte of all, or before a quoted one, it is itself.
				if p.pos+1 < len(p.s) && !p.in.quoted[p.pos+1] {
					p.pos++
				}
				parts = append(parts, p.char())
			default:
				parts = append(parts, p.char())
			}
		}
		fresh = endsComponent(parts, fresh)
	}
	return parts
}

// endsComponent reports whether what follows parts begins a component; empty
// is the answer for no parts.
func endsComponent(parts []globPart, empty bool) bool {
	if len(parts) == 0 {
		return empty
	}
	last := parts[len(parts)-1]
	switch last.op {
	case opDirs:
		return true
	case opChar:
		return last.c == '/'
	case opAlt:
		for _, alt := range last.alts {
			if !endsComponent(alt, false) {
				return false
			}
		}
		return true
	}
	return false
}

func (p *globParser) char() globPart {
	c, w := decode(p.s[p.pos:])
	p.pos += w
	return globPart{op: opChar, c: c}
}

// star reads a run of stars.
func (p *globParser) star(fresh bool) globPart {
	start := p.pos
	for p.more('*') {
		p.pos++
	}
	if p.pos-start == 1 {
		return globPart{op: opStar}
	}
	if fresh && p.pos < len(p.s) && p.s[p.pos] == '/' {
		p.pos++
		return globPart{op: opDirs}
	}
	return globPart{op: opStars}
}

func (p *globParser) braces(fresh bool) globPart {
	start := p.pos
	if p.depth++; p.depth > maxBraces {
		p.fail(start, "braces nest too deep", "")
		return globPart{}
	}
	part := globPart{op: opAlt}
	for {
		p.pos++ // '{' or ','
		part.alts = append(part.alts, p.sequence(fresh))
		if p.err != nil {
			return part
		}
		if p.pos == len(p.s) {
			p.fail(start, "'{' is not closed", literalHint("{"))
			return part
		}
		if p.s[p.pos] == '}' {
			p.pos++
			p.depth--
			return part
		}
	}
}

func (p *globParser) class() globPart {
	start := p.pos
	p.pos++
	class := &globClass{}
	if p.more('!') || p.more('^') {
		class.negated = true
		p.pos++
	}
	for first := true; p.err == nil; first = false {
		if p.pos >= len(p.s) {
			p.fail(start, "'[' is not closed", literalHint("["))
			break
		}
		if p.more(']') && !first {
			p.pos++
			break
		}
		if p.named(class) {
			continue
		}
		at := p.pos
		lo := p.classChar()
		hi := lo
		if p.more('-') && p.pos+1 < len(p.s) && !p.in.bare(p.pos+1, ']') {
			p.pos++
			hi = p.classChar()
		}
		if hi < lo {
			p.fail(at, "the range ends before it begins", "write the lower character first, as in [a-z]")
			break
		}
		class.ranges = append(class.ranges, globRange{lo, hi})
	}
	class.merge()
	return globPart{op: opClass, class: class}
}

// merge sorts the ranges, none next to another.
func (k *globClass) merge() {
	slices.SortFunc(k.ranges, func(a, b globRange) int { return cmp.Compare(a.lo, b.lo) })
	merged := k.ranges[:0]
	for _, r := range k.ranges {
		if n := len(merged); n > 0 && r.lo <= merged[n-1].hi+1 {
			merged[n-1].hi = max(merged[n-1].hi, r.hi)
		} else {
			merged = append(merged, r)
		}
	}
	k.ranges = merged
	slices.Sort(k.named)
	k.named = slices.Compact(k.named)
}

// classChar reads one character of a class. There is one.
func (p *globParser) classChar() rune {
	if p.more('\\') && p.pos+1 < len(p.s) && !p.in.quoted[p.pos+1] {
		p.pos++
	}
	c, w := decode(p.s[p.pos:])
	p.pos += w
	return c
}

// named reads a class such as [:alpha:], if there is one.
func (p *globParser) named(class *globClass) bool {
	if !p.more('[') || !strings.HasPrefix(p.s[p.pos:], "[:") {
		return false
	}
	name, _, ok := strings.Cut(p.s[p.pos+2:], ":]")
	if !ok || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "" {
		return false
	}
	if classTest(name) == nil {
		p.fail(p.pos, "there is no class of this name", "alnum alpha blank cntrl digit graph lower print punct space upper xdigit")
		return true
	}
	class.named = append(class.named, name)
	p.pos += len(name) + 4
	return true
}

// classTest returns the test of a named class, nil where there is none.
func classTest(name string) func(rune) bool {
	switch name {
	case "alnum":
		return func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	case "alpha":
		return unicode.IsLetter
	case "blank":
		return func(r rune) bool { return r == ' ' || r == '\t' }
	case "cntrl":
		return unicode.IsControl
	case "digit":
		return func(r rune) bool { return '0' <= r && r <= '9' }
	case "graph":
		return func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }
	case "lower":
		return unicode.IsLower
	case "print":
		return unicode.IsGraphic
	case "punct":
		return func(r rune) bool { return unicode.IsPunct(r) || unicode.IsSymbol(r) }
	case "space":
		return unicode.IsSpace
	case "upper":
		return unicode.IsUpper
	case "xdigit":
		return func(r rune) bool { return '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'f' && r < 0x80 }
	}
	return nil
}

// has reports whether c, one character of a name, is in the class; with fold,
// whether any that it folds with is.
func (k *globClass) has(c rune, fold bool) bool {
	if c == '/' {
		return false
	}
	in := k.listed(c)
	if fold && !in && c < invalid {
		for f := unicode.SimpleFold(c); f != c && !in; f = unicode.SimpleFold(f) {
			in = k.listed(f)
		}
	}
	return in != k.negated
}

func (k *globClass) listed(c rune) bool {
	_, ok := slices.BinarySearchFunc(k.ranges, c, func(r globRange, c rune) int {
		switch {
		case r.hi < c:
			return -1
		case r.lo > c:
			return 1
		}
		return 0
	})
	if ok {
		return true
	}
	for _, name := range k.named {
		if c < invalid && classTest(name)(c) {
			return true
		}
	}
	return false
}

// globText writes parts as a glob, in the one way that String has for it.
func globText(parts []globPart) string { return string(appendGlob(nil, parts, 0)) }

func appendGlob(b []byte, parts []globPart, depth int) []byte {
	for _, p := range parts {
		switch p.op {
		case opChar:
			special := globMeta + `\`
			if depth > 0 {
				special += ","
			}
			b = appendEscaped(b, p.c, special)
		case opAny:
			b = append(b, '?')
		case opStar:
			b = append(b, '*')
		case opStars:
			b = append(b, "**"...)
		case opDirs:
			b = append(b, "**/"...)
		case opClass:
			b = p.class.append(b)
		case opAlt:
			for j, alt := range p.alts {
				b = append(b, "{,"[min(j, 1)])
				b = appendGlob(b, alt, depth+1)
			}
			b = append(b, '}')
		}
	}
	return b
}

// appendEscaped appends c, behind a '\' if it is one of special, or a byte that
// would make a rune of those before it.
func appendEscaped(b []byte, c rune, special string) []byte {
	if c < utf8.RuneSelf && strings.IndexByte(special, byte(c)) >= 0 ||
		c >= invalid && len(b) > 0 && b[len(b)-1] >= utf8.RuneSelf {
		b = append(b, '\\')
	}
	return appendChar(b, c)
}

func (k *globClass) append(b []byte) []byte {
	b = append(b, '[')
	if k.negated {
		b = append(b, '!')
	}
	const special = `\]-[!^`
	for _, r := range k.ranges {
		b = appendEscaped(b, r.lo, special)
		if r.hi != r.lo {
			b = appendEscaped(append(b, '-'), r.hi, special)
		}
	}
	for _, name := range k.named {
		b = append(b, "[:"+name+":]"...)
	}
	return append(b, ']')
}
