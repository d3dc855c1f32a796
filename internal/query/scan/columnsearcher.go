package scan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// needle finds, in a column of names each ended by 0x00, a place in a name
// that may have a certain text. It may find too much, never too little.
type ColumnSearcher struct {
	kind       searcherKind
	pat        []byte
	lead       int       // bytes of pat before the name: 1 where it begins with the 0x00 of the name before
	Lookalikes []string  // of a folded text: what else folds to a letter of pat
	Exact      bool      // pat is all of the text: but for rare, what is found has it
	pair       *BytePair // of pat
}

type searcherKind uint8

const (
	anyName      searcherKind = iota // any name
	nameWithText                     // pat
	nonASCIIName                     // a byte beyond ASCII
	noName                           // no name
)

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

// frame makes pat of text, with the 0x00 of the name before and its own.
func (n *ColumnSearcher) frame(text string, fold, start, end bool) {
	if start {
		n.lead = 1
		n.pat = append(n.pat, 0)
	}
	n.pat = append(n.pat, text...)
	if end {
		n.pat = append(n.pat, 0)
	}
	n.pair = NewBytePair(n.pat, fold)
}

// foldNeedle searches for the longest run of ASCII in text, which is folded.
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
	// What folds to a letter of ASCII and is none: the long s and the kelvin
	// sign. A name that has one is taken for a find.
	if strings.Contains(run, "s") {
		n.Lookalikes = append(n.Lookalikes, "\u017f")
	}
	if strings.Contains(run, "k") {
		n.Lookalikes = append(n.Lookalikes, "\u212a")
	}
	return n
}

// find returns the offset of the first find that begins in [from, to), -1 if
// there is none. from is that of a name's beginning, or follows one without a
// find; before it is another name's 0x00, or nothing.
func (n *ColumnSearcher) find(names []byte, from, to int) int {
	switch n.kind {
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
	if n.lead == 1 && from == 0 && n.firstBegins(names) {
		return 0
	}
	lo := max(from-n.lead, 0)
	hi := min(to-n.lead+len(n.pat)-1, len(names))
	if hi <= lo {
		return -1
	}
	at := n.pair.Find(names[lo:hi])
	if at >= 0 {
		at += lo + n.lead
	}
	for _, r := range n.Lookalikes {
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

// prefix reports whether the first name of names begins as pat says.
func (n *ColumnSearcher) firstBegins(names []byte) bool {
	pat := n.pat[1:]
	if len(pat) > len(names) {
		return false
	}
	if !n.pair.fold {
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

// equalFold compares s with pat, which is of the same length and folded.
func EqualFold(s, pat []byte) bool {
	for i, c := range pat {
		if lower(s[i]) != c {
			return false
		}
	}
	return true
}

// findAny returns the first find of any of needles at or after from.
func FindAny(needles []ColumnSearcher, names []byte, from int) int {
	if len(needles) == 1 {
		return needles[0].find(names, from, len(names))
	}
	// In growing windows, so that a text that is nowhere is not looked for all
	// the way after every find of another.
	for size := 256; from < len(names); size *= 2 {
		to := min(from+size, len(names))
		best := -1
		for i := range needles {
			end := to
			if best >= 0 {
				end = best
			}
			if at := needles[i].find(names, from, end); at >= 0 {
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

// count returns how many of names n finds: all of them if stem is not set, and
// else those that have more before.
func (n *ColumnSearcher) Count(names []byte, stem bool) int {
	total := n.pair.count(names, stem)
	if n.lead == 1 && n.firstBegins(names) {
		total++
	}
	return total
}

// apart reports whether no text of those that end with one of list can end with
// another. Where they are more than are worth counting one by one it says false.
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
