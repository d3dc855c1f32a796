package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"indexd/store/internal/codec"
	"indexd/store/record"
)

// findingKind says what is to be done about a finding.
type findingKind byte

const (
	unreadable findingKind = iota // a record or chunk: its directory is listed again
	misplaced                     // a record that seems to belong elsewhere: it goes
	unnamed                       // a record that no other names
	missing                       // a directory that has no record, and should
	badDocs                       // doc ids or zones: made anew from the records
	strayPage                     // of postings, of a segment that there is not
	findings
)

// finding is something that does not hold, by the key that it was found at.
type finding struct {
	kind findingKind
	key  []byte
}

const (
	// scrubPage is how many records one snapshot of Scrub looks at: some 10 ms.
	scrubPage = 4096
	// maxFindings is how many are mended one by one; where there are more it is
	// quicker to begin anew.
	maxFindings = 10_000
)

// Scrub reads the whole database and mends what can be mended: what is damaged in
// listings, or gone from them, is made pending, and what follows from them is made
// anew. It returns how much it found. ErrDamaged is returned where the file is of
// no use any more, else ctx's error or apply's, which is to call its argument in
// a write transaction and to return when that is committed. Between its snapshots,
// of some milliseconds each, it calls rest.
func (s *Store) Scrub(ctx context.Context, apply func(func(*Tx) error) error, rest func() error) (found int, err error) {
	if err := s.CheckPages(ctx); err != nil {
		return 0, err
	}
	for range 2 { // each commit writes one
		if s.metasWhole() {
			break
		}
		if err := apply(func(t *Tx) error { return t.PutValue(Settings, keyMended, s.Clock()) }); err != nil {
			return 0, err
		}
	}
	sc := scrub{s: s, rest: rest}
	sc.c = checker{ctx: ctx, note: sc.note, report: sc.report}
	sc.c.begin()
	for _, pass := range [...]func() error{sc.listings, sc.tops, sc.docs, sc.postings} {
		if err := pass(); err != nil {
			return sc.n, err
		}
	}
	if sc.n > maxFindings {
		err := fmt.Errorf("%w: %d things in it are wrong", ErrDamaged, sc.n)
		s.notice(err)
		return sc.n, err
	}
	if len(sc.list) > 0 {
		err = apply(func(t *Tx) error { return t.heal(sc.list) })
	}
	return sc.n, err
}

// keyMended is of a setting that is only there to be changed.
var keyMended = []byte("mended")

// metasWhole reports whether both of the pages are whole of which only one counts.
func (s *Store) metasWhole() bool {
	s.writer.Lock()
	defer s.writer.Unlock()
	h, err := s.files.take()
	if err != nil {
		return true
	}
	defer s.files.release(h)
	head := make([]byte, 2*s.pageSize)
	if _, err := h.file.ReadAt(head, 0); err != nil {
		return true
	}
	for i := range 2 {
		page := head[i*s.pageSize:][:s.pageSize]
		if _, ok, _ := readMeta(page); !ok || u64(page) != uint64(i) || u16(page[8:]) != metaPage {
			return false
		}
	}
	return true
}

type scrub struct {
	s    *Store
	c    checker
	rest func() error
	list []finding
	has  [findings]bool
	n    int
}

func (sc *scrub) note(f finding) {
	if sc.n++; sc.n > maxFindings || f.kind == badDocs && sc.has[badDocs] {
		return
	}
	sc.has[f.kind] = true
	sc.list = append(sc.list, f)
}

// report logs the first few problems.
func (sc *scrub) report(p Problem) {
	if sc.n < 10 {
		sc.s.log.Warn("something in the database is damaged", "where", p.Where, "what", p.What)
	}
}

// pages calls look in one snapshot after another, which says where to go on; nil:
// that was the end.
func (sc *scrub) pages(look func(sn *Snap, from []byte) (next []byte, err error)) error {
	for from := []byte{}; from != nil; {
		err := sc.s.View(func(sn *Snap) (err error) {
			defer sn.Sequential()()
			sc.c.sn, sc.c.zones = sn, nil
			from, err = look(sn, from)
			return err
		})
		if err == nil {
			err = context.Cause(sc.c.ctx)
		}
		if err == nil && from != nil {
			err = sc.rest()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (sc *scrub) listings() error {
	return sc.pages(func(_ *Snap, from []byte) ([]byte, error) {
		next, err := sc.c.listingsFrom(from, scrubPage)
		if next != nil { // the stack outlives the snapshot
			for i := range sc.c.stack {
				d := &sc.c.stack[i]
				d.last = strings.Clone(d.last)
				for k, name := range d.dirs {
					d.dirs[k] = strings.Clone(name)
				}
			}
		}
		return next, err
	})
}

// tops looks for those directories that no other names: roots, and the volumes
// that are mounted in them.
func (sc *scrub) tops() error {
	return sc.s.View(func(sn *Snap) error {
		look := func(k record.Key) {
			if sn.b.listings.Get(k) == nil && !sn.IsPending(k) && sn.anyWithin(k) {
				sc.report(Problem{fmt.Sprintf("listings %s", k), "it has no record"})
				sc.note(finding{missing, bytes.Clone(k)})
			}
		}
		var roots []string
		err := sn.b.roots.ForEach(func(k, _ []byte) error {
			roots = append(roots, sn.PathOf(k))
			look(k)
			return nil
		})
		if err != nil {
			return err
		}
		return sn.b.volumes.ForEach(func(k, _ []byte) error {
			at := sn.PathOf(k)
			if slices.ContainsFunc(roots, func(root string) bool { _, in := below(at, root); return in && root != "" }) {
				look(k)
			}
			return nil
		})
	})
}

// anyWithin reports whether there is any record below a directory, or at it.
func (sn *Snap) anyWithin(key record.Key) bool {
	k, _ := sn.b.listings.Cursor().Seek(key)
	return k != nil && record.Key(k).Within(key)
}

func (sc *scrub) docs() error {
	return sc.pages(func(sn *Snap, from []byte) ([]byte, error) {
		wrong := func(k []byte) {
			sc.report(Problem{fmt.Sprintf("docs %x", k), codec.ErrCorrupt.Error()})
			sc.note(finding{kind: badDocs})
		}
		n := 0
		c := sn.b.docs.Cursor()
		for k, v := c.Seek(from); k != nil; k, v = c.Next() {
			if n++; n > scrubPage {
				return bytes.Clone(k), nil
			}
			d, err := readBlock(k, v)
			for ok := err == nil; ok; {
				_, _, _, _, ok = d.next()
			}
			if _, zerr := record.DecodeZones(k, sn.b.zones.Get(k)); err != nil || zerr != nil || d.r.Bad {
				wrong(k)
			}
		}
		// What zones has that docs has not is the other half of a changed key.
		c = sn.b.zones.Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			if sn.b.docs.Get(k) == nil {
				wrong(k)
			}
		}
		return nil, nil
	})
}

// postings looks at the seals and the numbers of pages; NextMerge looks at the
// rest, and mends it.
func (sc *scrub) postings() error {
	count := make(map[uint32]uint64)
	err := sc.pages(func(sn *Snap, from []byte) ([]byte, error) {
		n := 0
		c := sn.b.postings.Cursor()
		for k, v := c.Seek(from); k != nil; k, v = c.Next() {
			if n++; n > scrubPage {
				return bytes.Clone(k), nil
			}
			num := segOfPage(k)
			count[num]++
			if _, err := codec.VerifyChecksum(k, v); err != nil {
				sc.n++
				sc.s.hurtSegment(num)
			}
			if sn.b.segments.Get(segKey(num)) == nil || len(k) != 4+markLen {
				sc.note(finding{strayPage, bytes.Clone(k)})
			}
		}
		return nil, nil
	})
	if err != nil {
		return err
	}
	return sc.s.View(func(sn *Snap) error {
		segs, damaged := sn.postSegs()
		for i := range segs {
			// One that was made meanwhile was not counted.
			if g := &segs[i]; g.state == segLive && count[g.num] != 0 && g.pages != count[g.num] {
				sc.n++
				sc.s.hurtSegment(g.num)
			}
		}
		if len(damaged) > 0 {
			sc.n++
			sc.s.merges.quiet.Store(false)
		}
		return nil
	})
}

// heal does what is to be done about findings, as far as they still hold.
func (t *Tx) heal(list []finding) error {
	return t.do(func() error {
		for _, f := range list {
			if err := t.healOne(f); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *Tx) healOne(f finding) error {
	switch f.kind {
	case badDocs:
		t.damage = true
		return nil
	case strayPage:
		if len(f.key) == 4+markLen && t.b.segments.Get(segKey(segOfPage(f.key))) != nil {
			return nil
		}
		return t.del(t.b.postings, f.key)
	}
	dir, first, chunk := record.SplitChunk(f.key)
	again := Pending{Stamp: t.state.stamp}
	val := t.b.listings.Get(f.key)
	if f.kind == missing {
		if val != nil {
			return nil
		}
		again.Subtree = true
		t.damage = true // for what it counted for, and its doc
	}
	if len(dir) < 2 {
		t.damage = true
		return t.del(t.b.listings, f.key)
	}
	_, named := t.naming(dir)
	if f.kind == missing || f.kind == unreadable {
		if named {
			t.mark(bytes.Clone(dir), again)
			return nil
		}
	}
	if val == nil {
		return nil
	}
	rec, err := record.Decode(f.key, val)
	if err == nil {
		at, name, ok, derr := t.snap.Doc(rec.Header().Doc)
		if derr != nil || !ok || at.Equal(dir) && (name == first || !chunk) {
			// It is in its place, but for what is above it.
			if !named {
				if up := t.markAbove(dir); up != nil {
					t.mark(up, Pending{Unnamed: true})
				}
			} else if derr == nil && !ok {
				t.damage = true
			}
			return nil
		}
	}
	t.markAbove(dir)
	return t.deleteRecord(bytes.Clone(f.key), &rec, true)
}
