package scan

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// count returns how many of names n finds: all of them if stem is not set, and
// else those that have more before.
func (n *ColumnSearcher) Count(names []byte, stem bool) int {
	total := n.pair.count(names, stem)
	if n.lead == 1 && n.prefix(names) {
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
