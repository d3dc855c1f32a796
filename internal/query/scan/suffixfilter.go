package scan

import (
	"bytes"
	"unicode/utf8"
)

// ends finds names that may end in one of several texts, by their last two
// bytes. For a list such as ext:c,h,go that is quicker than a needle for each.
type SuffixFilter struct {
	last, before [256]uint32 // by byte, a bit for each text
	n            int         // texts
}

// add adds texts, folded if fold. ok is false where that cannot be: there are
// too many, or one is too short.
func (e *SuffixFilter) Add(texts []string, fold bool) (ok bool) {
	for _, t := range texts {
		if len(t) < 2 || e.n == 32 {
			return false
		}
		bit := uint32(1) << e.n
		e.n++
		a, b := t[len(t)-2], t[len(t)-1]
		if !fold {
			e.last[b] |= bit
			e.before[a] |= bit
			continue
		}
		e.last[b] |= bit
		e.last[upper(b)] |= bit
		e.before[a] |= bit
		e.before[upper(a)] |= bit
		// What is not ASCII, or also the folded form of something that is not,
		// may stand in a name as other bytes, and as more of them or fewer.
		wide := func(c byte) bool { return c >= utf8.RuneSelf || c == 'k' || c == 's' }
		if wide(a) || wide(b) {
			for c := range e.before {
				e.before[c] |= bit
			}
		}
		if wide(b) {
			for c := utf8.RuneSelf; c < 256; c++ {
				e.last[c] |= bit
			}
		}
	}
	return true
}

// find is Matcher.Next.
func (e *SuffixFilter) Find(names []byte, from int) int {
	for from < len(names) {
		n := bytes.IndexByte(names[from:], 0)
		if n < 0 {
			break
		}
		end := from + n
		if end-2 >= from && e.last[names[end-1]]&e.before[names[end-2]] != 0 {
			return end
		}
		from = end + 1
	}
	return -1
}
