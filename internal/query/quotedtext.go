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

func (q *quotedText) add(b byte, quoted bool, at int) {
	q.b = append(q.b, b)
	q.quoted = append(q.quoted, quoted)
	q.at = append(q.at, at)
}

func (q quotedText) len() int       { return len(q.b) }
func (q quotedText) String() string { return string(q.b) }

// from returns what is at and after i.
func (q quotedText) from(i int) quotedText { return q.cut(i, len(q.b)) }

func (q quotedText) cut(i, j int) quotedText {
	return quotedText{q.b[i:j], q.quoted[i:j], q.at[i : j+1]}
}

// bare reports whether the byte at i is b and not quoted.
func (q quotedText) bare(i int, b byte) bool { return q.b[i] == b && !q.quoted[i] }

// hasBare reports whether any byte of set occurs outside of quotes.
func (q quotedText) hasBare(set string) bool {
	for i := range q.b {
		if !q.quoted[i] && strings.IndexByte(set, q.b[i]) >= 0 {
			return true
		}
	}
	return false
}

// split cuts c at the commas that are not quoted.
func (q quotedText) split() []quotedText {
	var list []quotedText
	start := 0
	for i := range q.b {
		if q.bare(i, ',') {
			list = append(list, q.cut(start, i))
			start = i + 1
		}
	}
	return append(list, q.from(start))
}
