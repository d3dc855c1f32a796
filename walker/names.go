package walker

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"unsafe"

	"indexd/listing"
)

const (
	// blockSize is a piece of memory for names; any name fits in one.
	blockSize = 1 << blockBits
	blockBits = 16
	// runLen is how many names are sorted at once. Names of more than one run
	// are merged on the way out, so that no sort takes long enough (about 1 ms)
	// to delay the end of a cancelled job, and nothing is as large as the
	// directory in one piece.
	runLen = 8192
	// maxBlocks bounds the names of one directory, see ErrTooLarge.
	maxBlocks = 1 << 30 >> blockBits
)

// name is one name of a directory, held in names. The bytes are ended by NUL,
// as statx takes them.
type name struct {
	key uint64 // 8 bytes of it, big-endian, so that numbers sort as bytes do
	at  uint32 // block<<blockBits | offset
	len uint16
	typ listing.Type
}

// names are all the names of one directory, given in any order, taken in
// bytewise order and no name twice.
type names struct {
	blocks [][]byte // blockSize each; the last is being filled
	used   int      // bytes of the last one
	runs   [][]name // sorted, once they are full or all is read
	n      int      // names in all

	skip  int    // bytes that all names begin with: keys are of what follows
	heads []head // a heap by name, of runs with names left
	last  name   // taken most recently
	taken int    // names taken, duplicates included
}

// head is what is left of a run.
type head []name

// reset forgets all names and keeps a small directory's worth of memory.
func (ns *names) reset() {
	clear(ns.blocks[min(1, len(ns.blocks)):])
	clear(ns.runs[min(1, len(ns.runs)):])
	blocks, runs := ns.blocks[:min(1, len(ns.blocks))], ns.runs[:min(1, len(ns.runs))]
	if len(runs) > 0 {
		runs[0] = runs[0][:0]
	}
	*ns = names{blocks: blocks, runs: runs, heads: ns.heads[:0]}
}

// add takes a copy of s. It reports false when there is no room for more.
func (ns *names) add(s []byte, typ listing.Type) bool {
	if len(ns.blocks) == 0 || ns.used+len(s)+1 > blockSize {
		if len(ns.blocks) == maxBlocks {
			return false
		}
		ns.blocks = append(ns.blocks, make([]byte, blockSize))
		ns.used = 0
	}
	r := len(ns.runs) - 1
	if r < 0 || len(ns.runs[r]) == runLen {
		if r >= 0 {
			ns.sort(ns.runs[r])
		}
		ns.runs = append(ns.runs, nil)
		if r++; r > 0 {
			ns.runs[r] = make([]name, 0, runLen) // there may be many
		}
	}
	block := ns.blocks[len(ns.blocks)-1]
	copy(block[ns.used:], s)
	block[ns.used+len(s)] = 0
	ns.runs[r] = append(ns.runs[r], name{
		at: uint32((len(ns.blocks)-1)<<blockBits | ns.used), len: uint16(len(s)), typ: typ,
	})
	ns.used += len(s) + 1
	ns.n++
	return true
}

// start is called once all names are added, before the first take.
func (ns *names) finish() {
	if ns.n == 0 {
		return
	}
	ns.sort(ns.runs[len(ns.runs)-1])
	if len(ns.runs) > 1 {
		// Each run was sorted by keys of its own.
		first := ns.bytes(ns.runs[0][0])
		ns.skip = len(first)
		for _, r := range ns.runs {
			ns.skip = common(common(ns.skip, first, ns.bytes(r[0])), first, ns.bytes(r[len(r)-1]))
		}
		for _, r := range ns.runs {
			ns.setKeys(r)
		}
	}
	for _, r := range ns.runs {
		ns.heads = append(ns.heads, r)
	}
	for i := len(ns.heads)/2 - 1; i >= 0; i-- {
		ns.siftDown(i)
	}
}

// take returns the next name in order; false after the last.
func (ns *names) take() (name, bool) {
	for len(ns.heads) > 0 {
		h := &ns.heads[0]
		n := (*h)[0]
		if *h = (*h)[1:]; len(*h) == 0 {
			end := len(ns.heads) - 1
			*h, ns.heads[end] = ns.heads[end], nil
			ns.heads = ns.heads[:end]
		}
		if len(ns.heads) > 1 {
			ns.siftDown(0)
		}
		ns.taken++
		if n.key == ns.last.key && n.len == ns.last.len && ns.taken > 1 && bytes.Equal(ns.bytes(n), ns.bytes(ns.last)) {
			continue // the directory changed while it was read
		}
		ns.last = n
		return n, true
	}
	return name{}, false
}

// left reports whether there may be names to take: it does not look for
// duplicates.
func (ns *names) left() bool { return len(ns.heads) > 0 }

// down restores the heap from i on.
func (ns *names) siftDown(i int) {
	h := ns.heads
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && ns.compare(h[c+1][0], h[c][0]) < 0 {
			c++
		}
		if ns.compare(h[i][0], h[c][0]) <= 0 {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

// sort sorts a run, by keys that leave out what all its names begin with: so
// far fewer keys are equal, and comparing seldom has to look at the names.
func (ns *names) sort(run []name) {
	first := ns.bytes(run[0])
	ns.skip = len(first)
	for i := range run {
		if ns.skip == 0 {
			break
		}
		ns.skip = common(ns.skip, first, ns.bytes(run[i]))
	}
	ns.setKeys(run)
	slices.SortFunc(run, ns.compare)
}

func (ns *names) setKeys(run []name) {
	for i := range run {
		run[i].key = key(ns.bytes(run[i])[ns.skip:])
	}
}

// common returns the number of bytes, at most n, that a and b begin with.
func common(n int, a, b []byte) int {
	n = min(n, len(a), len(b))
	if string(a[:n]) == string(b[:n]) {
		return n
	}
	n = 0
	for a[n] == b[n] {
		n++
	}
	return n
}

// key returns the first 8 bytes of s as a number.
func key(s []byte) uint64 {
	if len(s) >= 8 {
		return binary.BigEndian.Uint64(s)
	}
	var k uint64
	for i, c := range s {
		k |= uint64(c) << (56 - 8*i)
	}
	return k
}

func (ns *names) compare(a, b name) int {
	if a.key != b.key {
		if a.key < b.key {
			return -1
		}
		return 1
	}
	from := ns.skip + 8
	if int(a.len) <= from || int(b.len) <= from {
		// No name has a NUL, so that equal keys are equal bytes.
		return cmp.Compare(a.len, b.len)
	}
	return bytes.Compare(ns.bytes(a)[from:], ns.bytes(b)[from:])
}

// bytes of a name, without its NUL.
func (ns *names) bytes(n name) []byte {
	at := n.at & (blockSize - 1)
	return ns.blocks[n.at>>blockBits][at : at+uint32(n.len)]
}

// pointer to the bytes of a name, ended by NUL.
func (ns *names) pointer(n name) *byte {
	return &ns.blocks[n.at>>blockBits][n.at&(blockSize-1)]
}

// string of a name, which shares the memory of ns: valid until reset.
func (ns *names) string(n name) string {
	return unsafe.String(ns.pointer(n), int(n.len))
}
