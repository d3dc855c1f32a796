// Package scan searches for bytes in a column of names, in which each name is ended by 0x00.
// It finds all names that may match and passes over the others quickly; whether a name matches
// is for package plan to decide.
package scan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// ColumnSearcher finds names that may contain a text in a column of names, each ended by 0x00.
// It may find too many names, but never misses one.
type ColumnSearcher struct {
	kind       searcherKind
	pat        []byte
	lead       int       // how many bytes of pat precede the name: 1 if pat begins with the 0x00 of the previous name
	Lookalikes []string  // non-ASCII characters that fold to a letter of pat
	Exact      bool      // pat is the whole text, so a match contains it unless it is one of Lookalikes
	pair       *BytePair // finds pat
}

type searcherKind uint8

const (
	anyName      searcherKind = iota // every name
	nameWithText                     // names with pat
	nonASCIIName                     // names with a byte that is not ASCII
	noName                           // no name
)

// NewColumnSearcher returns a searcher for the names that contain text, with case folded
// if fold is set, and only at the start or end of a name if start or end is set.
func NewColumnSearcher(text string, fold, start, end bool) ColumnSearcher {
	if strings.IndexByte(text, '/') >= 0 {
		return ColumnSearcher{kind: noName}
	}
	if !fold {
		if text == "" && !(start && end) {
			return ColumnSearcher{}
		}
		n := ColumnSearcher{kind: nameWithText, Exact: true}
		n.frame(text, fold, start, end)
		return n
	}
	return newFoldedSearcher(text, start, end)
}

// frame sets pat to text, preceded by the 0x00 of the previous name if start is set, and
// followed by the name's own if end is set.
func (cs *ColumnSearcher) frame(text string, fold, start, end bool) {
	if start {
		cs.lead = 1
		cs.pat = append(cs.pat, 0)
	}
	cs.pat = append(cs.pat, text...)
	if end {
		cs.pat = append(cs.pat, 0)
	}
	cs.pair = NewBytePair(cs.pat, fold)
}

// newFoldedSearcher searches for the longest run of ASCII in text, which is folded.
func newFoldedSearcher(text string, start, end bool) ColumnSearcher {
	run, at := "", 0
	for i := 0; i < len(text); {
		j := i
		for j < len(text) && text[j] < utf8.RuneSelf {
			j++
		}
		if j-i > len(run) {
			run, at = text[i:j], i
		}
		i = j
		for i < len(text) && text[i] >= utf8.RuneSelf {
			i++
		}
	}
	switch {
	case text == "" && !(start && end):
		return ColumnSearcher{}
	case run == "" && text != "":
		return ColumnSearcher{kind: nonASCIIName}
	}
	n := ColumnSearcher{kind: nameWithText, Exact: run == text}
	n.frame(run, true, start && at == 0, end && at+len(run) == len(text))
	// The long s and the Kelvin sign fold to ASCII letters. A name with one of them counts as
	// a match.
	if strings.Contains(run, "s") {
		n.Lookalikes = append(n.Lookalikes, "\u017f")
	}
	if strings.Contains(run, "k") {
		n.Lookalikes = append(n.Lookalikes, "\u212a")
	}
	return n
}

// find returns the offset of the first match that begins in [from, to), or -1. from is the
// beginning of a name or follows one without a match; the byte before it, if any, is the 0x00
// of another name.
func (cs *ColumnSearcher) find(names []byte, from, to int) int {
	switch cs.kind {
	case noName:
		return -1
	case anyName:
		return from
	case nonASCIIName:
		for ; from+8 <= to; from += 8 {
			if m := binary.LittleEndian.Uint64(names[from:]) & (utf8.RuneSelf * ones); m != 0 {
				return from + bits.TrailingZeros64(m)/8
			}
		}
		for ; from < to; from++ {
			if names[from] >= utf8.RuneSelf {
				return from
			}
		}
		return -1
	}
	if cs.lead == 1 && from == 0 && cs.firstBegins(names) {
		return 0
	}
	lo := max(from-cs.lead, 0)
	hi := min(to-cs.lead+len(cs.pat)-1, len(names))
	if hi <= lo {
		return -1
	}
	at := cs.pair.Find(names[lo:hi])
	if at >= 0 {
		at += lo + cs.lead
	}
	for _, r := range cs.Lookalikes {
		end := min(to+len(r)-1, len(names))
		if at >= 0 {
			end = min(at+len(r)-1, len(names))
		}
		if i := bytes.Index(names[from:max(end, from)], []byte(r)); i >= 0 {
			at = from + i
		}
	}
	return at
}

// firstBegins reports whether the first of names begins with pat.
func (cs *ColumnSearcher) firstBegins(names []byte) bool {
	pat := cs.pat[1:]
	if len(pat) > len(names) {
		return false
	}
	if !cs.pair.fold {
		return bytes.HasPrefix(names, pat)
	}
	return EqualFold(names[:len(pat)], pat)
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// EqualFold reports whether s, which has the length of pat, equals it if ASCII letters are put
// in lower case. pat is in lower case.
func EqualFold(s, pat []byte) bool {
	for i, c := range pat {
		if lower(s[i]) != c {
			return false
		}
	}
	return true
}

// FindAny returns the offset of the first match of any of the searchers at or after from, or
// -1.
func FindAny(searchers []ColumnSearcher, names []byte, from int) int {
	if len(searchers) == 1 {
		return searchers[0].find(names, from, len(names))
	}
	// Search in growing windows, so that after each match the rest is not searched again for a
	// text that occurs nowhere.
	for size := 256; from < len(names); size *= 2 {
		to := min(from+size, len(names))
		best := -1
		for i := range searchers {
			end := to
			if best >= 0 {
				end = best
			}
			if at := searchers[i].find(names, from, end); at >= 0 {
				best = at
			}
		}
		if best >= 0 {
			return best
		}
		from = to
	}
	return -1
}

// Count returns the number of names that match. If stem is set, something must precede the
// text in the name. The result is exact only if Exact is set and no name has any of
// Lookalikes.
func (cs *ColumnSearcher) Count(names []byte, stem bool) int {
	total := cs.pair.count(names, stem)
	if cs.lead == 1 && cs.firstBegins(names) {
		total++
	}
	return total
}

// Disjoint reports whether no text can end with two of the texts in list. It returns false for
// a list that is too long for counting one by one to pay.
func Disjoint(list []string) bool {
	for i, s := range list {
		for j, t := range list {
			if len(list) > 4 || i != j && strings.HasSuffix(s, t) {
				return false
			}
		}
	}
	return true
}

// IsASCII reports whether s contains only ASCII characters.
func IsASCII(s []byte) bool {
	var all uint64
	for ; len(s) >= 8; s = s[8:] {
		all |= binary.LittleEndian.Uint64(s)
	}
	for _, c := range s {
		all |= uint64(c)
	}
	return all&(utf8.RuneSelf*ones) == 0
}
