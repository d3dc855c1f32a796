package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/store/postings"
	"indexd/store/record"
)

// Check reads everything and reports what does not hold: checksums, the order of
// names, doc ids and what they stand for, children that have neither a record
// nor a mark, and counts. An error says why it did not come to the end: ctx's, or ErrDamaged.
// A report is never made by two goroutines at once.
func (s *Store) Check(ctx context.Context, report func(Problem)) error {
	if err := s.CheckBolt(ctx, func(err error) { report(Problem{"pages", err.Error()}) }); err != nil {
		return err
	}
	return s.View(func(sn *Snap) error {
		defer sn.Sequential()()
		c := checker{sn: sn, ctx: ctx, report: report}
		return c.run()
	})
}

type checker struct {
	sn      *Snap
	ctx     context.Context
	report  func(Problem)
	damaged bool // records that could not be read: sums need not fit
	counts  map[record.Volume]*Counts
	records uint64
	rows    uint64          // of zones, that say that there are entries
	zoned   uint64          // records that such a row should be of
	zones   record.ZoneRows // the block read last, of number block
	block   uint64
	stack   []checkedDir    // the directories that the walk is in
	living  *roaring.Bitmap // docs
}

// checkedDir is a living directory whose children come now.
type checkedDir struct {
	key   record.Key
	head  record.Header
	dirs  []string          // the children that are named and were not met yet
	sum   record.Aggregates // of the chunks so far
	last  string            // name
	inAny bool              // it has chunks
	loose bool              // nothing leads to it, and PurgeTombstones is to see to it
}

func (c *checker) problem(where string, format string, args ...any) {
	c.report(Problem{where, fmt.Sprintf(format, args...)})
}

func (c *checker) begin() { c.counts, c.living = make(map[record.Volume]*Counts), roaring.New() }

func (c *checker) run() error {
	c.begin()
	if err := c.values(); err != nil {
		return err
	}
	if err := c.listings(); err != nil {
		return err
	}
	var names nameReader
	names.begin(c.sn)
	report := func(where, what string) { c.report(Problem{where, what}) }
	stop := func() error { return context.Cause(c.ctx) }
	if err := postings.Check(postingsReader{c.sn, &names}, c.living, report, stop); err != nil {
		return err
	}
	return c.sums()
}

// values checks all values by themselves, except the listings.
func (c *checker) values() error {
	v := valueCheck{report: c.report}
	for i := range bucketTable {
		b := &bucketTable[i]
		if bytes.Equal(b.name, bucketListings) {
			v.found[i] = c.sn.state.docs
			continue
		}
		err := (*b.of(&c.sn.b)).ForEach(func(key, val []byte) error {
			if v.values[i]%1024 == 0 {
				if err := context.Cause(c.ctx); err != nil {
					return err
				}
			}
			return v.value(i, key, val)
		})
		if err != nil {
			return err
		}
	}
	return errors.Join(v.counts(true), c.docs(), c.sn.b.zones.ForEach(c.countZones))
}

// docs checks the doc ids in use.
func (c *checker) docs() error {
	return c.sn.b.docs.ForEach(func(k, val []byte) error {
		d, err := readBlock(k, val)
		for ok := err == nil; ok; {
			var i int
			if i, _, _, _, ok = d.next(); ok && d.first+uint64(i) >= c.sn.state.nextDoc {
				c.problem(fmt.Sprintf("docs %q", k), "doc %d was never given", d.first+uint64(i))
			}
		}
		if c.sn.b.zones.Get(k) == nil {
			c.problem(fmt.Sprintf("zones %q", k), "there is no such block")
		}
		return nil
	})
}

// listings checks all records, dead ones too.
func (c *checker) listings() error {
	cur := c.sn.b.listings.Cursor()
	dead := tombstoneWalk{c: c.sn.b.tombstones.Cursor()}
	dead.seek(c.sn, nil)
	var rec record.Record
	for raw, val := cur.First(); raw != nil; raw, val = cur.Next() {
		if c.records++; c.records%1024 == 0 {
			if err := context.Cause(c.ctx); err != nil {
				return err
			}
		}
		dir, first, chunk := record.SplitChunk(raw)
		where := fmt.Sprintf("listings %s", dir)
		if chunk {
			where += fmt.Sprintf(" chunk %q", first)
		}
		died, _ := dead.at(dir)
		for len(c.stack) > 0 && !dir.Within(c.stack[len(c.stack)-1].key) {
			c.leave()
		}
		if len(dir) < 2 {
			c.problem(where, "no key of a directory")
			continue
		}
		if err := rec.Decode(raw, val); err != nil {
			c.damaged = true
			c.problem(where, "header: %v", err)
			continue
		}
		h := *rec.Header()
		c.zone(where, &h)
		if !chunk {
			c.count(dir.Volume(), &h)
		}
		if !chunk && h.Stamp <= died || chunk && died != 0 && !c.in(dir) {
			continue
		}
		if h.Doc <= maxDoc {
			c.living.Add(uint32(h.Doc))
		}
		if err := rec.Verify(); err != nil {
			c.problem(where, "%v", err)
		}
		if chunk {
			c.chunk(where, raw, first, &rec)
		} else {
			c.directory(where, dir, &rec, died != 0)
		}
	}
	for len(c.stack) > 0 {
		c.leave()
	}
	return nil
}

func (c *checker) count(v record.Volume, h *record.Header) {
	n := c.counts[v]
	if n == nil {
		n = new(Counts)
		c.counts[v] = n
	}
	n.add(h)
}

// directory checks a living record and enters the directory. spared: it is newer
// than a death that covers it, so it need not be named until PurgeTombstones comes by.
func (c *checker) directory(where string, key record.Key, rec *record.Record, spared bool) {
	h := rec.Header()
	var up *checkedDir
	if n := len(c.stack); n > 0 {
		up = &c.stack[n-1]
	}
	dir, name, ok := key.Parent()
	named := ok && up != nil && up.key.Equal(dir) && c.meet(up, name)
	top := c.sn.isTop(key)
	if !named && !top && !spared && !(ok && c.sn.IsPending(dir)) {
		c.problem(where, "no record above names it")
	}
	kind, parent, text, err := c.sn.doc(h.Doc)
	switch {
	case err != nil:
		c.problem(where, "doc %d: %v", h.Doc, err)
	case kind == docTop && bytes.Equal(text, key) && (top || named):
	case kind == docChild && string(text) == name && (!named || parent == up.head.Doc):
	default:
		c.problem(where, "doc %d stands for %q in doc %d", h.Doc, text, parent)
	}
	if failed := c.sn.b.failed.Get(key) != nil; failed != isFailure(h.Errno) {
		c.problem(where, "error %d, and it is among the failed: %v", h.Errno, failed)
	}
	if h.InProgress && c.sn.b.pending.Get(key) == nil {
		c.problem(where, "in progress and not pending")
	}
	d := checkedDir{key: bytes.Clone(key), head: *h, loose: !top && (!named || up.loose)}
	if !h.Chunked {
		for name := range rec.Dirs() {
			d.dirs = append(d.dirs, name)
		}
	}
	c.stack = append(c.stack, d)
}

// meet passes over the children of d before name, which have no record, and
// reports whether name is next.
func (c *checker) meet(d *checkedDir, name string) bool {
	for len(d.dirs) > 0 && d.dirs[0] < name {
		c.unrecorded(d, d.dirs[0])
		d.dirs = d.dirs[1:]
	}
	if len(d.dirs) == 0 || d.dirs[0] != name {
		return false
	}
	d.dirs = d.dirs[1:]
	return true
}

// unrecorded checks that there is a reason why a child has no record.
func (c *checker) unrecorded(d *checkedDir, name string) {
	key := d.key.Child(name)
	if d.loose || key.Valid() != nil || c.sn.IsBoundary(key) || c.sn.b.pending.Get(d.key) != nil || c.sn.IsPending(key) {
		return
	}
	c.problem(fmt.Sprintf("listings %s", d.key), "its child %q has no record and is not pending", name)
}

// in reports whether dir is the directory that the walk is in.
func (c *checker) in(dir record.Key) bool {
	return len(c.stack) > 0 && c.stack[len(c.stack)-1].key.Equal(dir)
}

func (c *checker) chunk(where string, raw []byte, first string, rec *record.Record) {
	h := rec.Header()
	dir, _, _ := record.SplitChunk(raw)
	if !c.in(dir) || !c.stack[len(c.stack)-1].head.Chunked {
		c.problem(where, "its listing has no chunks")
		return
	}
	d := &c.stack[len(c.stack)-1]
	kind, parent, text, err := c.sn.doc(h.Doc)
	switch {
	case err != nil:
		c.problem(where, "doc %d: %v", h.Doc, err)
	case kind != docChunk || string(text) != first || parent != d.head.Doc:
		c.problem(where, "doc %d stands for %q in doc %d", h.Doc, text, parent)
	}
	if n := rec.Len(); n == 0 || n > record.MaxSingle {
		c.problem(where, "it has %d entries", n)
	} else {
		if rec.Name(0) < first || d.inAny && first <= d.last {
			c.problem(where, "it begins with %q, after a chunk that ends with %q", rec.Name(0), d.last)
		}
		d.last, d.inAny = rec.Name(n-1), true
	}
	d.sum.Merge(&h.Agg)
	for name := range rec.Dirs() {
		d.dirs = append(d.dirs, name)
	}
}

// leave checks what can be known when a directory and all below it was read.
func (c *checker) leave() {
	d := &c.stack[len(c.stack)-1]
	for _, name := range d.dirs {
		c.unrecorded(d, name)
	}
	if d.head.Chunked {
		a, b := &d.head.Agg, &d.sum
		if a.Count != b.Count || a.Dirs != b.Dirs || a.Bytes != b.Bytes || a.Blocks != b.Blocks ||
			b.Count > 0 && (a.MinSize > b.MinSize || a.MaxSize < b.MaxSize || a.Oldest.Compare(b.Oldest) > 0 || a.Newest.Compare(b.Newest) < 0) {
			c.problem(fmt.Sprintf("listings %s", d.key), "the header says %+v, the chunks come to %+v", *a, *b)
		}
	}
	c.stack = c.stack[:len(c.stack)-1]
}

// sums compares what was counted with what is kept.
func (c *checker) sums() error {
	if c.damaged {
		return nil // said already, and nothing can fit
	}
	if c.rows != c.zoned {
		c.problem("zones", "%d docs with entries, the records come to %d", c.rows, c.zoned)
	}
	if c.records != c.sn.state.docs {
		c.problem("docs", "%d docs for %d records", c.sn.state.docs, c.records)
	}
	return c.sn.b.counts.ForEach(func(k, v []byte) error {
		want, err := decodeCounts(k, v)
		if err != nil || len(k) != 2 {
			return nil // said already
		}
		var got Counts
		if n := c.counts[record.Key(k).Volume()]; n != nil {
			got = *n
		}
		if got != want {
			c.problem(fmt.Sprintf("counts of volume %d", record.Key(k).Volume()), "it says %+v, the records come to %+v", want, got)
		}
		return nil
	})
}

// countZones counts the rows of a block of zones that say that there are entries.
func (c *checker) countZones(k, v []byte) error {
	rows, err := record.DecodeZones(k, v)
	if err != nil { // which was reported
		c.damaged = true
		return nil
	}
	if c.sn.b.docs.Get(k) == nil {
		c.problem(fmt.Sprintf("zones %q", k), "it is of no docs")
	}
	for i := range blockLen {
		if rows.Row(i) != record.NoZone {
			c.rows++
		}
	}
	return nil
}

// zone checks what zones says of a record.
func (c *checker) zone(where string, h *record.Header) {
	want := record.ZoneRowOf(h, &h.Agg)
	if want != record.NoZone {
		c.zoned++
	}
	n := h.Doc / blockLen
	if c.zones == nil || c.block != n {
		key := blockKey(h.Doc)
		c.zones, _ = record.DecodeZones(key, c.sn.b.zones.Get(key))
		c.block = n
	}
	if c.zones == nil {
		return // said already
	}
	if got := c.zones.Row(int(h.Doc % blockLen)); got != want {
		c.problem(where, "its zone is %014x, its entries come to %014x", uint64(got), uint64(want))
	}
}
