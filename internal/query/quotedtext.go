package query

import "strings"

// quotedText is a part of a query. For each byte it records whether it was quoted and where it
// was.
type quotedText struct {
	b      []byte
	quoted []bool
	at     []int // len(b)+1 offsets; the last one is the end
}

// plain returns s as a text without quotes that begins at offset base.
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

// from returns what is at and after i.
func (c quotedText) from(i int) quotedText { return c.cut(i, len(c.b)) }

func (c quotedText) cut(i, j int) quotedText {
	return quotedText{c.b[i:j], c.quoted[i:j], c.at[i : j+1]}
}

// bare reports whether the byte at i is b and not quoted.
func (c quotedText) bare(i int, b byte) bool { return c.b[i] == b && !c.quoted[i] }

// hasBare reports whether any byte of set occurs outside of quotes.
func (c quotedText) hasBare(set string) bool {
	for i := range c.b {
		if !c.quoted[i] && strings.IndexByte(set, c.b[i]) >= 0 {
			return true
		}
	}
	return false
}

// split cuts c at the commas that are not quoted.
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
