package dbfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// A bbolt file begins with two pages that hold a meta after the page's header. The one
// with the higher txid is valid.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	pageHeader  = 16 // id 8, flags 2, count 2, overflow 4
	metaLen     = 64
	minPageSize = 1 << 9
	maxPageSize = 1 << 16
	noFreelist  = 1<<64 - 1

	branchPage, leafPage, metaPage, freelistPage = 1, 2, 4, 16 // flags
	elemLen                                      = 16          // of branch and leaf pages
	bucketElem                                   = 1           // flag of a leaf element: its value is a bucket
	bucketLen                                    = 16          // root page 8, sequence 8
)

// Integers in pages have the byte order of the machine.
var (
	u16 = binary.NativeEndian.Uint16
	u32 = binary.NativeEndian.Uint32
	u64 = binary.NativeEndian.Uint64
)

// boltMeta is the content of a meta page.
type boltMeta struct {
	version, pageSize           uint32
	root, freelist, pages, txid uint64
}

// readMeta finds the valid meta page in head, the beginning of a file. torn says that
// there are meta pages, but none that matches its checksum.
func readMeta(head []byte) (meta boltMeta, ok, torn bool) {
	for size := minPageSize; size <= maxPageSize; size *= 2 {
		for _, at := range [...]int{0, size} {
			if at+pageHeader+metaLen > len(head) {
				continue
			}
			b := head[at+pageHeader:][:metaLen]
			if u32(b) != boltMagic {
				continue
			}
			m, whole := decodeMeta(b)
			if !whole {
				torn = true
				continue
			}
			if int(m.pageSize) == size && (!ok || m.txid > meta.txid) {
				meta, ok = m, true
			}
		}
	}
	return meta, ok, torn && !ok
}

// pageCheck walks the pages that are in use, with plain reads, and checks that each has
// the right kind, is used once and is not free, holds just what it says, in order, and
// that its parent leads to it by the right key. Whoever reads through the mapping
// afterwards cannot leave it, cannot run in a circle, in which bbolt takes all memory
// there is, and cannot be led past a key. Only the bytes of keys and values can still be
// wrong, which values checks. The writer must hold still.
type pageCheck struct {
	// all says to read every page. Otherwise only the first leaf page of each large
	// bucket is read, about a hundredth of the file: 5 ms for 8 million entries.
	all    bool
	large  func(bucket string) bool
	values ValueCheck // may be nil
	// report gets what is wrong with each page, and the pages below that one are
	// skipped; nil makes check return the first error instead.
	report   func(error)
	progress func(done, total uint64) // number of pages read; may be nil
}

// check returns ErrDamaged, ErrNotDatabase or why it could not read on.
func (c pageCheck) check(ctx context.Context, f *os.File) error {
	head := make([]byte, 2*maxPageSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	meta, ok, torn := readMeta(head[:n])
	switch fi, err := f.Stat(); {
	case err != nil:
		return err
	case torn:
		return fmt.Errorf("%w: its first pages are overwritten", ErrDamaged)
	case !ok:
		return ErrNotDatabase
	case meta.version != boltVersion || meta.freelist == noFreelist:
		return fmt.Errorf("%w: another program's bbolt file", ErrNotDatabase)
	case meta.pages > uint64(fi.Size())/uint64(meta.pageSize):
		return fmt.Errorf("%w: it is cut off", ErrDamaged)
	}
	for i := 0; c.all && i < 2; i++ {
		// The checksum does not cover the page's header.
		page := head[i*int(meta.pageSize):]
		if _, whole := decodeMeta(page[pageHeader:][:metaLen]); whole && (u64(page) != uint64(i) || u16(page[8:]) != metaPage) {
			return fmt.Errorf("%w: page %d says it is another", ErrDamaged, i)
		}
	}
	w := pageWalk{pageCheck: c, ctx: ctx, f: f, meta: meta, seen: make([]bool, meta.pages)}
	w.todo = []wantedPage{
		{id: meta.freelist, flags: freelistPage, in: &pageTree{name: "the list of free pages"}}, // the last
		{id: meta.root, flags: branchPage | leafPage, in: &pageTree{name: "the list of buckets", top: true}},
	}
	for len(w.todo) > 0 {
		p := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		err := w.page(p)
		if err != nil && c.report != nil && errors.Is(err, ErrDamaged) {
			p.in.last = nil // the pages that follow are not to blame
			c.report(err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

type pageWalk struct {
	pageCheck
	ctx  context.Context
	f    *os.File
	n    uint64 // pages read
	meta boltMeta
	seen []bool // by page number, whether it is in use
	todo []wantedPage
	buf  []byte // the current page with its overflow pages

	elems []element // of the current page
}

// wantedPage is a page to read, and what it must be.
type wantedPage struct {
	id    uint64
	flags uint16 // the kinds that are allowed
	in    *pageTree
	depth int
	key   []byte // its first key; nil if any
}

// pageTree is a bucket's tree of pages. All its leaves have the same depth, and the
// walk visits them in key order.
type pageTree struct {
	name   string
	top    bool                        // it is the bucket of buckets
	large  bool                        // only the first leaf is read, unless pageCheck.all
	verify func(key, val []byte) error // may be nil
	leaves int                         // depth of the leaves; 0 if not known, or if the root is a leaf
	last   []byte                      // the last key read
}

// use records that a page is in use, and returns what is wrong with that.
func (w *pageWalk) use(id uint64) string {
	switch {
	case id < 2 || id >= w.meta.pages:
		return "does not exist"
	case w.seen[id]:
		return "is used twice"
	}
	w.seen[id] = true
	return ""
}

func (w *pageWalk) page(want wantedPage) error {
	if wrong, err := w.inspect(want); err != nil {
		return err
	} else if wrong != "" {
		return fmt.Errorf("%w: page %d of %s %s", ErrDamaged, want.id, want.in.name, wrong)
	}
	return nil
}

// inspect returns what is wrong with a page, and queues the pages below it.
func (w *pageWalk) inspect(want wantedPage) (wrong string, err error) {
	if wrong = w.use(want.id); wrong != "" {
		return wrong, nil
	}
	if want.depth > 0 && want.depth == want.in.leaves && want.in.large && !w.all {
		return "", nil
	}
	if w.n++; w.n%1024 == 0 {
		if w.ctx.Err() != nil {
			return "", context.Cause(w.ctx)
		}
		if w.progress != nil {
			w.progress(w.n, w.meta.pages)
		}
	}
	if err := w.read(want.id, 1); err != nil {
		return "", err
	}
	flags, count, overflow := u16(w.buf[8:]), int(u16(w.buf[10:])), uint64(u32(w.buf[12:]))
	switch {
	case u64(w.buf) != want.id:
		return "says it is another", nil
	case flags&want.flags != flags || flags&(flags-1) != 0 || flags == 0:
		return "is of another kind", nil
	case overflow >= w.meta.pages-want.id:
		return "goes on beyond the end", nil
	}
	if overflow > 0 {
		if overflow > w.overflow(flags, count) {
			return "goes on further than what it holds", nil
		}
		for i := range overflow {
			if wrong = w.use(want.id + 1 + i); wrong != "" {
				return "goes on in a page that " + wrong, nil
			}
		}
		if err := w.read(want.id, overflow+1); err != nil {
			return "", err
		}
	}
	switch flags {
	case freelistPage:
		return w.free(count), nil
	case branchPage:
		return w.branch(&want, count), nil
	}
	want.in.leaves = want.depth
	return w.leaf(&want, count), nil
}

// overflow returns how many overflow pages the page in buf can have, judging by what it
// says it holds, so that no more than that is read.
func (w *pageWalk) overflow(flags uint16, count int) uint64 {
	size, end := uint64(w.meta.pageSize), uint64(0)
	last := pageHeader + (count-1)*elemLen
	switch {
	case flags == freelistPage && count == 0xffff:
		end = pageHeader + 8 + 8*min(u64(w.buf[pageHeader:]), w.meta.pages)
	case flags == freelistPage:
		end = pageHeader + 8*uint64(count)
	case count > 0 && last+elemLen <= len(w.buf):
		// bbolt splits a page before its elements take more than the first.
		e := w.buf[last:][:elemLen]
		if end = uint64(last) + uint64(u32(e)) + uint64(u32(e[4:])); flags == leafPage {
			end = uint64(last) + uint64(u32(e[4:])) + uint64(u32(e[8:])) + uint64(u32(e[12:]))
		}
	}
	if flags == freelistPage {
		end += size + end/256 // its own pages were free when it was sized
	}
	return end / size
}

// free checks the list of free pages, after all other pages.
func (w *pageWalk) free(count int) string {
	ids, n := w.buf[pageHeader:], uint64(count)
	if count == 0xffff { // the count did not fit into the page's header
		n, ids = u64(ids), ids[8:]
	}
	if n > uint64(len(ids))/8 {
		return "holds more than it can"
	}
	last := uint64(1)
	for ids := ids[:n*8]; len(ids) > 0; ids = ids[8:] {
		id := u64(ids)
		if id <= last || id >= w.meta.pages || w.seen[id] {
			return "frees what cannot be free"
		}
		last = id
	}
	return ""
}

func (w *pageWalk) branch(want *wantedPage, count int) string {
	elems, wrong := w.elements(count, func(e []byte) (pos, key, val uint32) { return u32(e), u32(e[4:]), 0 })
	if wrong != "" {
		return wrong
	}
	if count == 0 {
		return "leads nowhere"
	}
	in := want.in
	for i := count - 1; i >= 0; i-- {
		key, e := elems[i].key, w.buf[pageHeader+i*elemLen:]
		if i > 0 && bytes.Compare(elems[i-1].key, key) >= 0 {
			return "has its keys out of order"
		}
		// The key must be the first one of the page that it leads to.
		if i == 0 && want.key != nil && !bytes.Equal(key, want.key) {
			return "begins with another key than it is found by"
		}
		child := wantedPage{id: u64(e[8:]), flags: branchPage | leafPage, in: in, depth: want.depth + 1}
		if child.depth == in.leaves && in.large && !w.all {
			if wrong := w.use(child.id); wrong != "" {
				return "leads to a page that " + wrong
			}
			continue
		}
		child.key = bytes.Clone(key)
		w.todo = append(w.todo, child)
	}
	return ""
}

func (w *pageWalk) leaf(want *wantedPage, count int) string {
	elems, wrong := w.elements(count, func(e []byte) (pos, key, val uint32) { return u32(e[4:]), u32(e[8:]), u32(e[12:]) })
	if wrong != "" {
		return wrong
	}
	in := want.in
	if count == 0 && want.depth > 0 {
		return "is empty"
	}
	for i := range elems {
		key := elems[i].key
		if i == 0 && want.key != nil && !bytes.Equal(key, want.key) {
			return "begins with another key than it is found by"
		}
		if in.last != nil && bytes.Compare(in.last, key) >= 0 {
			return "has its keys out of order"
		}
		in.last = append(in.last[:0], key...)
		if in.verify != nil {
			if err := in.verify(key, elems[i].val); err != nil {
				return err.Error()
			}
		}
	}
	for i := count - 1; i >= 0; i-- {
		val := elems[i].val
		switch flags := u32(w.buf[pageHeader+i*elemLen:]); {
		case flags == 0 && !in.top:
			continue
		case flags != bucketElem || !in.top || len(val) < bucketLen:
			return "has a bucket that is none"
		}
		name := string(elems[i].key)
		if root := u64(val); root != 0 {
			tree := &pageTree{name: name, large: w.large(name), verify: w.verify(name)}
			w.todo = append(w.todo, wantedPage{id: root, flags: branchPage | leafPage, in: tree})
		} else if wrong := w.inline(name, val[bucketLen:]); wrong != "" {
			return fmt.Sprintf("has a bucket, %q, that %s", name, wrong)
		}
	}
	return ""
}

type element struct{ key, val []byte }

// elements returns the keys and values of the page in buf; at decodes where they are.
// bbolt puts them one after another, after the elements.
func (w *pageWalk) elements(count int, at func(elem []byte) (pos, key, val uint32)) ([]element, string) {
	list, end := pageElements(w.elems[:0], w.buf, count, at)
	w.elems = list
	size := uint64(w.meta.pageSize)
	if end < 0 || count > 0 && (uint64(end)+size-1)/size*size != uint64(len(w.buf)) {
		return nil, "does not hold together"
	}
	return list, ""
}

// pageElements appends the count keys and values of a page to list. end is the end of the
// last one, or negative if they are not where they must be.
func pageElements(list []element, page []byte, count int, at func(elem []byte) (pos, key, val uint32)) (_ []element, end int) {
	next := uint64(pageHeader + count*elemLen)
	if next > uint64(len(page)) {
		return nil, -1
	}
	for i := range count {
		begin := uint64(pageHeader + i*elemLen)
		pos, keyLen, valLen := at(page[begin:][:elemLen])
		if begin+uint64(pos) != next || keyLen == 0 || next+uint64(keyLen)+uint64(valLen) > uint64(len(page)) {
			return nil, -1
		}
		key := next + uint64(keyLen)
		list = append(list, element{page[next:key:key], page[key:][:valLen:valLen]})
		next = key + uint64(valLen)
	}
	return list, int(next)
}

// verify returns what checks the values of a bucket, or nil.
func (c *pageCheck) verify(bucket string) func(key, val []byte) error {
	if c.values == nil {
		return nil
	}
	return c.values.Bucket(bucket)
}

// inline checks the page of a bucket that is small enough to be a value.
func (w *pageWalk) inline(name string, b []byte) string {
	const not = "is none"
	if len(b) < pageHeader || u16(b[8:]) != leafPage {
		return not
	}
	verify := w.verify(name)
	count := int(u16(b[10:]))
	list, end := pageElements(nil, b, count, func(e []byte) (pos, key, val uint32) { return u32(e[4:]), u32(e[8:]), u32(e[12:]) })
	if end != len(b) {
		return not
	}
	for i := range list {
		if u32(b[pageHeader+i*elemLen:]) != 0 || i > 0 && bytes.Compare(list[i-1].key, list[i].key) >= 0 {
			return not
		}
		if verify != nil {
			if err := verify(list[i].key, list[i].val); err != nil {
				return err.Error()
			}
		}
	}
	return ""
}

// read reads n pages into buf.
func (w *pageWalk) read(id, n uint64) error {
	size := n * uint64(w.meta.pageSize)
	if uint64(cap(w.buf)) < size {
		w.buf = make([]byte, size)
	}
	w.buf = w.buf[:size]
	if _, err := w.f.ReadAt(w.buf, int64(id*uint64(w.meta.pageSize))); err == io.EOF {
		return fmt.Errorf("%w: it is cut off", ErrDamaged)
	} else if err != nil {
		return err
	}
	return nil
}
