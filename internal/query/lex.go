package query

import "strings"

// token is a word of a query or an operator.
type token struct {
	kind tokenKind
	at   int
	word quotedText // of a tokWord; otherwise the text of the operator
}

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokWord
	tokOpen
	tokClose
	tokAnd
	tokOr
	tokNot
)

// lexer cuts a query into tokens. An operator must be a whole word, except '!', which must be
// the first byte of a word.
type lexer struct {
	text  string
	pos   int
	glued bool // the byte before pos is the '!' of the same word
}

const blanks = " \t\n\r\v\f"

func isBlank(c byte) bool { return strings.IndexByte(blanks, c) >= 0 }

func (l *lexer) next() (token, error) {
	if !l.glued {
		for l.pos < len(l.text) && isBlank(l.text[l.pos]) {
			l.pos++
		}
	}
	start := l.pos
	if start == len(l.text) {
		return token{kind: tokEnd, at: start}, nil
	}
	if l.text[start] == '!' {
		l.pos++
		l.glued = l.pos < len(l.text) && !isBlank(l.text[l.pos])
		return token{kind: tokNot, at: start, word: plain("!", start)}, nil
	}
	word, err := l.word()
	if err != nil {
		return token{}, err
	}
	t := token{kind: tokWord, at: start, word: word}
	switch l.text[start:l.pos] {
	case "(":
		t.kind = tokOpen
	case ")":
		t.kind = tokClose
	case "|", "OR":
		t.kind = tokOr
	case "AND":
		t.kind = tokAnd
	case "NOT":
		t.kind = tokNot
	}
	if l.glued && t.kind != tokOpen {
		t.kind = tokWord // "!OR" is not the operator OR
	}
	l.glued = false
	return t, nil
}

// word reads up to the next blank outside of quotes. In quotes every byte stands for itself,
// except that "" stands for one quote.
func (l *lexer) word() (quotedText, error) {
	var c quotedText
	s, i := l.text, l.pos
	open := -1
	for ; i < len(s); i++ {
		b := s[i]
		switch {
		case b == '"' && open < 0:
			open = i
			continue
		case b == '"' && i+1 < len(s) && s[i+1] == '"':
			i++
		case b == '"':
			open = -1
			continue
		case open < 0 && isBlank(b):
			c.at = append(c.at, i)
			l.pos = i
			return c, nil
		}
		c.add(b, open >= 0, i)
	}
	if open >= 0 {
		return c, &SyntaxError{s, open, `the quote is not closed`, `a quote itself is written """"`}
	}
	c.at = append(c.at, i)
	l.pos = i
	return c, nil
}

// quote writes a text as a word, in quotes only if it needs them.
func quote(s string) string {
	if s != "" && !strings.ContainsAny(s, blanks+globMeta+`"`) && !misread(s) {
		return s
	}
	return inQuotes(s)
}

func inQuotes(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// misread reports whether a word that begins with s would be taken for an operator, a negation
// or a field.
func misread(s string) bool {
	switch s {
	case "(", ")", "|", "OR", "AND", "NOT":
		return true
	}
	return s[0] == '!' || fieldLen(plain(s, 0)) > 0
}

// quoteGlob writes a glob as a word. It quotes blanks, quotes and, if the word would be
// misread, the first byte.
func quoteGlob(s string) string {
	var out strings.Builder
	first := s != "" && misread(s)
	for i := 0; i < len(s); i++ {
		j := i
		for j < len(s) && (isBlank(s[j]) || s[j] == '"' || first && j == 0) {
			j++
		}
		if j > i {
			out.WriteString(inQuotes(s[i:j]))
			i = j - 1
			continue
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// fieldLen returns how many letters before a colon c begins with, or 0 if it does not begin
// with a field.
func fieldLen(c quotedText) int {
	for i, b := range c.b {
		switch {
		case c.quoted[i]:
			return 0
		case b == ':':
			return i
		case b|0x20 < 'a' || b|0x20 > 'z':
			return 0
		}
	}
	return 0
}
