package query

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// GlobPart is one part of a parsed glob. A character is a rune or, for a byte b that is not
// UTF-8, InvalidByte+b, so that every name is a list of characters.
//
//   - any characters except '/'
//     **       any characters; as a whole component "**/", any number of components or none
//     ?        one character except '/'
//     [a-z]    one of these; [!a-z] or [^a-z] is any other; never '/'; [[:digit:]]
//     {a,b}    one of these globs
//     \c       c itself
type GlobPart struct {
	Op    GlobOp
	Char  rune         // for OpChar
	Class *GlobClass   // for OpClass
	Alts  [][]GlobPart // for OpAlt
}

// GlobOp is the kind of a GlobPart.
type GlobOp uint8

const (
	OpChar GlobOp = iota
	OpAny
	OpClass
	OpStar
	OpStars // "**" that is not a whole component
	OpDirs  // "**/" that is a whole component
	OpAlt
)

// GlobClass is a set of characters.
type GlobClass struct {
	Negated bool
	Ranges  []RuneRange // sorted and disjoint, unless Locate is set
	Named   []string    // names known to classTest

	// Locate is set for a class of ParseLocateGlob, which may match '/'; other classes never
	// do. If case is ignored, its Ranges are in lower case, but case counts for Exact.
	Locate bool
	Exact  []RuneRange
}

// RuneRange is a range of characters, including both ends.
type RuneRange struct{ Lo, Hi rune }

const (
	globMeta    = `*?[]{}`
	InvalidByte = unicode.MaxRune + 1
	// maxBraces is how deep braces may be nested.
	maxBraces = 50
)

// DecodeChar returns the first character of s, which is not empty, and its length.
func DecodeChar(s string) (rune, int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	r, w := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && w == 1 {
		return InvalidByte + rune(s[0]), 1
	}
	return r, w
}

// AppendChar is the inverse of DecodeChar.
func AppendChar(b []byte, c rune) []byte {
	if c >= InvalidByte {
		return append(b, byte(c-InvalidByte))
	}
	return utf8.AppendRune(b, c)
}

type globParser struct {
	in    quotedText
	s     string // the bytes of in
	pos   int
	depth int
	err   *SyntaxError // without Text
}

// ParseGlob reads a glob in which nothing is quoted. Errors are of type *SyntaxError.
func ParseGlob(s string) ([]GlobPart, error) { return parseGlob(s, plain(s, 0)) }

// parseGlob reads c, in which quoted bytes stand for themselves. Errors are about text.
func parseGlob(text string, c quotedText) ([]GlobPart, error) {
	p := &globParser{in: c, s: c.String()}
	parts := p.sequence(true)
	if p.err == nil && p.pos < len(p.s) { // at a '}' or ',' outside of braces
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

// more reports whether the byte at pos is b and not quoted.
func (p *globParser) more(b byte) bool { return p.pos < len(p.s) && p.in.bare(p.pos, b) }

// sequence reads up to the end or, in braces, up to a ',' or '}'. fresh is set if it begins at
// the beginning of a component.
func (p *globParser) sequence(fresh bool) []GlobPart {
	var parts []GlobPart
	for p.pos < len(p.s) && p.err == nil {
		if p.in.quoted[p.pos] {
			parts = append(parts, p.char())
		} else {
			switch p.s[p.pos] {
			case '*':
				part := p.star(fresh)
				if n := len(parts); n > 0 && part.Op == OpDirs && parts[n-1].Op == OpDirs {
					break // "**/**/" is "**/"
				}
				parts = append(parts, part)
			case '?':
				p.pos++
				parts = append(parts, GlobPart{Op: OpAny})
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
				// A backslash at the end, or before a quoted byte, stands for itself.
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

// endsComponent reports whether what follows parts is at the beginning of a component. empty
// is the result for no parts.
func endsComponent(parts []GlobPart, empty bool) bool {
	if len(parts) == 0 {
		return empty
	}
	last := parts[len(parts)-1]
	switch last.Op {
	case OpDirs:
		return true
	case OpChar:
		return last.Char == '/'
	case OpAlt:
		for _, alt := range last.Alts {
			if !endsComponent(alt, false) {
				return false
			}
		}
		return true
	}
	return false
}

func (p *globParser) char() GlobPart {
	c, w := DecodeChar(p.s[p.pos:])
	p.pos += w
	return GlobPart{Op: OpChar, Char: c}
}

// star reads a run of stars.
func (p *globParser) star(fresh bool) GlobPart {
	start := p.pos
	for p.more('*') {
		p.pos++
	}
	if p.pos-start == 1 {
		return GlobPart{Op: OpStar}
	}
	if fresh && p.pos < len(p.s) && p.s[p.pos] == '/' {
		p.pos++
		return GlobPart{Op: OpDirs}
	}
	return GlobPart{Op: OpStars}
}

func (p *globParser) braces(fresh bool) GlobPart {
	start := p.pos
	if p.depth++; p.depth > maxBraces {
		p.fail(start, "braces nest too deep", "")
		return GlobPart{}
	}
	part := GlobPart{Op: OpAlt}
	for {
		p.pos++ // '{' or ','
		part.Alts = append(part.Alts, p.sequence(fresh))
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

func (p *globParser) class() GlobPart {
	start := p.pos
	p.pos++
	class := &GlobClass{}
	if p.more('!') || p.more('^') {
		class.Negated = true
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
		class.Ranges = append(class.Ranges, RuneRange{lo, hi})
	}
	class.merge()
	return GlobPart{Op: OpClass, Class: class}
}

// merge sorts the ranges and joins those that overlap or touch.
func (gc *GlobClass) merge() {
	slices.SortFunc(gc.Ranges, func(a, b RuneRange) int { return cmp.Compare(a.Lo, b.Lo) })
	merged := gc.Ranges[:0]
	for _, r := range gc.Ranges {
		if n := len(merged); n > 0 && r.Lo <= merged[n-1].Hi+1 {
			merged[n-1].Hi = max(merged[n-1].Hi, r.Hi)
		} else {
			merged = append(merged, r)
		}
	}
	gc.Ranges = merged
	slices.Sort(gc.Named)
	gc.Named = slices.Compact(gc.Named)
}

// classChar reads one character of a class. The input must not be at its end.
func (p *globParser) classChar() rune {
	if p.more('\\') && p.pos+1 < len(p.s) && !p.in.quoted[p.pos+1] {
		p.pos++
	}
	c, w := DecodeChar(p.s[p.pos:])
	p.pos += w
	return c
}

// named reads a class such as [:alpha:], if there is one.
func (p *globParser) named(class *GlobClass) bool {
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
	class.Named = append(class.Named, name)
	p.pos += len(name) + 4
	return true
}

// classTest returns the test of a named class, or nil if there is no such class.
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

// Has reports whether c, one character of a name, is in the class. If fold is set, case is
// ignored: a class with Locate compares folded with its Ranges, and any other class has c if
// it has any character that c folds with.
func (gc *GlobClass) Has(c, folded rune, fold bool) bool {
	if gc.Locate {
		return (inRanges(gc.Ranges, folded) || inRanges(gc.Exact, c)) != gc.Negated
	}
	if c == '/' {
		return false
	}
	in := gc.listed(c)
	if fold && !in && c < InvalidByte {
		for f := unicode.SimpleFold(c); f != c && !in; f = unicode.SimpleFold(f) {
			in = gc.listed(f)
		}
	}
	return in != gc.Negated
}

func inRanges(list []RuneRange, c rune) bool {
	return slices.ContainsFunc(list, func(r RuneRange) bool { return r.Lo <= c && c <= r.Hi })
}

func (gc *GlobClass) listed(c rune) bool {
	_, ok := slices.BinarySearchFunc(gc.Ranges, c, func(r RuneRange, c rune) int {
		switch {
		case r.Hi < c:
			return -1
		case r.Lo > c:
			return 1
		}
		return 0
	})
	if ok {
		return true
	}
	for _, name := range gc.Named {
		if c < InvalidByte && classTest(name)(c) {
			return true
		}
	}
	return false
}

// GlobText writes parts as a glob, in canonical form.
func GlobText(parts []GlobPart) string { return string(appendGlob(nil, parts, 0)) }

func appendGlob(b []byte, parts []GlobPart, depth int) []byte {
	for _, p := range parts {
		switch p.Op {
		case OpChar:
			special := globMeta + `\`
			if depth > 0 {
				special += ","
			}
			b = appendEscaped(b, p.Char, special)
		case OpAny:
			b = append(b, '?')
		case OpStar:
			b = append(b, '*')
		case OpStars:
			b = append(b, "**"...)
		case OpDirs:
			b = append(b, "**/"...)
		case OpClass:
			b = p.Class.append(b)
		case OpAlt:
			for j, alt := range p.Alts {
				b = append(b, "{,"[min(j, 1)])
				b = appendGlob(b, alt, depth+1)
			}
			b = append(b, '}')
		}
	}
	return b
}

// appendEscaped appends c, preceded by a '\' if it is in special, or if it is a byte that
// would form a rune with those before it.
func appendEscaped(b []byte, c rune, special string) []byte {
	if c < utf8.RuneSelf && strings.IndexByte(special, byte(c)) >= 0 ||
		c >= InvalidByte && len(b) > 0 && b[len(b)-1] >= utf8.RuneSelf {
		b = append(b, '\\')
	}
	return AppendChar(b, c)
}

func (gc *GlobClass) append(b []byte) []byte {
	b = append(b, '[')
	if gc.Negated {
		b = append(b, '!')
	}
	const special = `\]-[!^`
	for _, r := range gc.Ranges {
		b = appendEscaped(b, r.Lo, special)
		if r.Hi != r.Lo {
			b = appendEscaped(append(b, '-'), r.Hi, special)
		}
	}
	for _, name := range gc.Named {
		b = append(b, "[:"+name+":]"...)
	}
	return append(b, ']')
}
