package exec

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"strings"

	"indexd/internal/query"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// sortKey is what one sort order compares before the path, which breaks all ties. Neither
// function is set where there is nothing but the path to compare.
type sortKey struct {
	// text returns the part of a name that is compared bytewise.
	text func(name string) string
	// number returns the numbers that are compared; smaller ones come first, and the second
	// breaks ties of the first.
	number func(e *listing.Entry) (uint64, uint32)
	// read sets what number needs of entry i.
	read func(rec *record.Record, i int, e *listing.Entry)
	// zone bounds the first number of all entries that agg describes; nil if agg tells nothing
	// about it. If it is set, so are ranks, the orders in which the store lists the records
	// that have the first rows, and the first rows in reverse.
	zone  func(agg *record.Aggregates) (first, last uint64)
	ranks [2]store.ZoneOrder
}

// sortKeys has an entry for each of query.SortKeys.
var sortKeys = map[query.Sort]*sortKey{
	query.SortDefault: {},
	query.SortPath:    {},
	query.SortName:    {text: func(name string) string { return name }},
	query.SortExt:     {text: extension},
	query.SortSize: {
		number: func(e *listing.Entry) (uint64, uint32) { return descending(e.Size), 0 },
		read:   func(rec *record.Record, i int, e *listing.Entry) { e.Size = rec.Size(i) },
		zone: func(agg *record.Aggregates) (first, last uint64) {
			return descending(agg.MaxSize), descending(agg.MinSize)
		},
		ranks: [2]store.ZoneOrder{store.LargestFirst, store.SmallestFirst},
	},
	query.SortMtime: {
		number: func(e *listing.Entry) (uint64, uint32) { return descending(e.Mtime.Sec), ^e.Mtime.Nsec },
		read:   func(rec *record.Record, i int, e *listing.Entry) { e.Mtime = rec.Mtime(i) },
		zone: func(agg *record.Aggregates) (first, last uint64) {
			return descending(agg.Newest.Sec), descending(agg.Oldest.Sec)
		},
		ranks: [2]store.ZoneOrder{store.NewestFirst, store.OldestFirst},
	},
	query.SortBlocks: {
		number: func(e *listing.Entry) (uint64, uint32) { return descending(e.Blocks), 0 },
		read:   func(rec *record.Record, i int, e *listing.Entry) { rec.Entry(i, e) },
	},
}

// descending maps larger numbers to smaller ones.
func descending(n int64) uint64 { return ^(uint64(n) ^ 1<<63) }

// extension returns what follows the last dot of a name, in lower case. It is "" if there is no
// dot or the only one is the first byte.
func extension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 {
		return ""
	}
	return strings.ToLower(name[i+1:])
}

// order is a total order of rows.
type order struct {
	*sortKey
	sort    query.Sort
	reverse bool // the whole order, ties included
}

func newOrder(q *Query) order { return order{sortKeys[q.Sort], q.Sort, q.Reverse} }

// position is the place of one row in an order.
type position struct {
	// prefix and low are what sortKey.number returned, or prefix is the beginning of the text.
	prefix uint64
	low    uint32
	dir    pathKey
	name   string
}

// clone returns a copy of p that shares no memory with it.
func (p *position) clone() *position {
	c := *p
	c.dir, c.name = bytes.Clone(p.dir), strings.Clone(p.name)
	return &c
}

// setText sets prefix from p's name. The zero bytes that pad a short text are in no name.
func (o *order) setText(p *position) {
	if o.text == nil {
		return
	}
	text := o.text(p.name)
	if len(text) >= 8 {
		p.prefix = uint64(text[7]) | uint64(text[6])<<8 | uint64(text[5])<<16 | uint64(text[4])<<24 |
			uint64(text[3])<<32 | uint64(text[2])<<40 | uint64(text[1])<<48 | uint64(text[0])<<56
		return
	}
	var b [8]byte
	copy(b[:], text)
	p.prefix = binary.BigEndian.Uint64(b[:])
}

// comparePrefix compares two prefixes; 0 decides nothing.
func (o *order) comparePrefix(a, b uint64) int {
	if o.reverse {
		a, b = b, a
	}
	return cmp.Compare(a, b)
}

// compare compares two rows. It is negative if a comes first.
func (o *order) compare(a, b *position) int {
	if c := o.comparePrefix(a.prefix, b.prefix); c != 0 {
		return c
	}
	if o.reverse {
		a, b = b, a
	}
	return cmp.Or(o.compareKeys(a.low, a.name, b.low, b.name), o.comparePaths(a, b))
}

// compareKeys compares what follows equal prefixes, before the path, not in reverse.
func (o *order) compareKeys(lowA uint32, nameA string, lowB uint32, nameB string) int {
	if o.text != nil {
		return strings.Compare(o.text(nameA), o.text(nameB))
	}
	return cmp.Compare(lowA, lowB)
}

// comparePaths compares the paths of two rows, not in reverse.
func (o *order) comparePaths(a, b *position) int {
	n := min(len(a.dir), len(b.dir))
	if c := bytes.Compare(a.dir[:n], b.dir[:n]); c != 0 {
		return c
	}
	switch {
	case len(a.dir) == len(b.dir):
		return strings.Compare(a.name, b.name)
	case len(a.dir) > n:
		return -o.comparePaths(b, a)
	case o.sort == query.SortDefault || b.dir[n] != 0:
		return -1
	}
	// a's directory is above b's: b comes after the entry of a's that it is below.
	if a.name <= text(b.dir.child(a.dir)) {
		return -1
	}
	return 1
}

// overlaps reports whether an entry that agg describes can be between two rows; nil is no bound.
func (o *order) overlaps(agg *record.Aggregates, after, upTo *position) bool {
	if o.zone == nil {
		return true
	}
	first, last := o.zone(agg)
	if o.reverse {
		after, upTo = upTo, after
	}
	return (after == nil || last >= after.prefix) && (upTo == nil || first <= upTo.prefix)
}
