package query

import "strings"

// chars is a piece of a query: its bytes, of each whether it stood in quotes,
// and where it stood.
type quotedText struct {
	b      []byte
	quoted []bool
	at     []int // len(b)+1: the last is the end
}

// plain is a text in which nothing is quoted and which stands at base.
func plain(s string, base int) quotedText {
	c := quotedText{b: []byte(s), quoted: make([]bool, len(s)), at: make([]int, len(s)+1)}
	for i := range c.at {
		c.at[i] = base + i
	}
	return c
}

func (c *quotedText) add(b byte, quoted bool, at int) {
	c.b = append(c.b, b)
	c.quoted = append(c.quoted, quoted)
	c.at = append(c.at, at)
}

func (c quotedText) len() int       { return len(c.b) }
func (c quotedText) String() string { return string(c.b) }

// from is what comes at and after i.
func (c quotedText) from(i int) quotedText { return c.cut(i, len(c.b)) }

func (c quotedText) cut(i, j int) quotedText {
	return quotedText{c.b[i:j], c.quoted[i:j], c.at[i : j+1]}
}

// bare reports whether the byte at i is c and does not stand in quotes.
func (c quotedText) bare(i int, b byte) bool { return c.b[i] == b && !c.quoted[i] }

// hasBare reports whether any byte of set stands outside quotes.
func (c quotedText) hasBare(set string) bool {
	for i := range c.b {
		if !c.quoted[i] && strings.IndexByte(set, c.b[i]) >= 0 {
			return true
		}
	}
	return false
}

// split cuts c at the bare commas.
func (c quotedText) split() []quotedText {
	var list []quotedText
	start := 0
	for i := range c.b {
		if c.bare(i, ',') {
			list = append(list, c.cut(start, i))
			start = i + 1
		}
	}
	return append(list, c.from(start))
}
