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
	// blockSize is the size of one block of memory for names. Any name fits into one.
	blockSize = 1 << blockBits
	blockBits = 16
	// runLen is how many names are sorted at once. Several runs are merged when names
	// are taken, so that no sort takes long enough (about 1 ms) to delay a cancelled
	// job, and no single allocation is as large as the directory.
	runLen = 8192
	// maxBlocks bounds the names of one directory, see ErrTooLarge.
	maxBlocks = 1 << 30 >> blockBits
)

// name is one name of a directory. Its bytes are in a block of names and end with NUL, as
// statx expects them.
type name struct {
	key uint64 // 8 bytes of the name, big-endian, so that numbers sort like bytes
	at  uint32 // block<<blockBits | offset
	len uint16
	typ listing.Type
}

// names holds all names of one directory. They are added in any order and taken in
// bytewise order without duplicates.
type names struct {
	blocks [][]byte // of blockSize bytes each; the last one is being filled
	used   int      // bytes of the last block
	runs   [][]name // each is sorted when it is full or all names have been added
	n      int      // names in total

	skip  int    // length of the prefix that all names share; keys are taken from behind it
	heads []head // a heap, by name, of the runs with names left
	last  name   // the name taken last
	taken int    // names taken, including duplicates
}

// head is the remainder of a run.
type head []name

// reset drops all names and keeps enough memory for a small directory.
func (ns *names) reset() {
	clear(ns.blocks[min(1, len(ns.blocks)):])
	clear(ns.runs[min(1, len(ns.runs)):])
	blocks, runs := ns.blocks[:min(1, len(ns.blocks))], ns.runs[:min(1, len(ns.runs))]
	if len(runs) > 0 {
		runs[0] = runs[0][:0]
	}
	*ns = names{blocks: blocks, runs: runs, heads: ns.heads[:0]}
}

// add adds a copy of s. It reports false if there is no room for more names.
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
			ns.runs[r] = make([]name, 0, runLen) // there may be many more
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

// finish is called once, after the last add and before the first take.
func (ns *names) finish() {
	if ns.n == 0 {
		return
	}
	ns.sort(ns.runs[len(ns.runs)-1])
	if len(ns.runs) > 1 {
		// Each run was sorted with its own prefix left out.
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

// take returns the next name in order, and false after the last one.
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
			continue // a duplicate: the directory changed while it was being read
		}
		ns.last = n
		return n, true
	}
	return name{}, false
}

// left reports whether there are names to take, which may all be duplicates.
func (ns *names) left() bool { return len(ns.heads) > 0 }

// siftDown restores the heap from i on.
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

// sort sorts a run by keys that leave out the prefix that all its names share. This makes
// equal keys, which need a comparison of the names themselves, far less frequent.
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

// common returns the length, at most n, of the common prefix of a and b.
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
		// No name contains a NUL, so equal keys mean equal bytes.
		return cmp.Compare(a.len, b.len)
	}
	return bytes.Compare(ns.bytes(a)[from:], ns.bytes(b)[from:])
}

// bytes returns a name without its NUL.
func (ns *names) bytes(n name) []byte {
	at := n.at & (blockSize - 1)
	return ns.blocks[n.at>>blockBits][at : at+uint32(n.len)]
}

// pointer returns a pointer to the NUL-terminated bytes of a name.
func (ns *names) pointer(n name) *byte {
	return &ns.blocks[n.at>>blockBits][n.at&(blockSize-1)]
}

// string returns a name. It shares the memory of ns and is valid until reset.
func (ns *names) string(n name) string {
	return unsafe.String(ns.pointer(n), int(n.len))
}
