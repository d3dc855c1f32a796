// Package trigram stores compactly which documents contain which three bytes in the names of
// their entries, so that a search for a text has to read few documents.
//
// A Builder gathers lists of documents, a Packer cuts lists into pages, Find looks in
// a page, Unpack reads pages again and Merge makes the lists of several one. Where the
// pages are kept, and under which key, is the caller's.
package trigram

import (
	"slices"
	"unicode/utf8"

	"indexd/internal/casefold"
)

// T is three bytes of a folded name, the first in the highest byte.
type T uint32

// Of returns the trigrams that every name has which contains text, in whichever
// case, or whose folded form contains text folded: sorted, each once. Bytes of
// text that are no UTF-8 may be a part of a character of the name, of which only
// the whole is folded; so they are in no trigram.
func Of(text string) []T {
	var all []T
	for len(text) > 0 {
		n := 0
		for n < len(text) {
			r, w := utf8.DecodeRuneInString(text[n:])
			if r == utf8.RuneError && w == 1 {
				break
			}
			n += w
		}
		all = Append(all, casefold.String(text[:n]))
		text = text[min(n+1, len(text)):]
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Append appends the trigrams of a folded text to dst, in the order in which
// they stand there.
func Append(dst []T, folded string) []T {
	for i := 0; i+3 <= len(folded); i++ {
		dst = append(dst, T(folded[i])<<16|T(folded[i+1])<<8|T(folded[i+2]))
	}
	return dst
}

// Need says which trigrams a document must have to be a candidate: each of All,
// what every one of And needs and, unless Or is empty, what at least one of Or
// does. The zero Need is met by every document.
type Need struct {
	All []T
	And []Need
	Or  []Need
}

// Any reports whether every document meets n.
func (n *Need) Any() bool {
	any := func(k Need) bool { return k.Any() }
	return len(n.All) == 0 && !slices.ContainsFunc(n.And, func(k Need) bool { return !k.Any() }) &&
		(len(n.Or) == 0 || slices.ContainsFunc(n.Or, any))
}
