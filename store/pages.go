package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// What bbolt's file begins with: two pages, each with one of these after the
// page's header. The one with the higher txid counts.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	pageHeader  = 16 // id 8, flags 2, count 2, overflow 4
	metaLen     = 64
	minPageSize = 1 << 9
	maxPageSize = 1 << 16
	noFreelist  = 1<<64 - 1

	branchPage, leafPage, freelistPage = 1, 2, 16 // flags
	elemLen                            = 16       // of branch and leaf pages
	bucketElem                         = 1        // flag of a leaf element: its value is a bucket
	bucketLen                          = 16       // root page 8, sequence 8
)

var (
	u16 = binary.NativeEndian.Uint16
	u32 = binary.NativeEndian.Uint32
	u64 = binary.NativeEndian.Uint64
)

// boltMeta is what a meta page says.
type boltMeta struct {
	version, pageSize           uint32
	root, freelist, pages, txid uint64
}

// readMeta finds the meta page that counts in head, the beginning of a file.
// torn: there are some, but none that fits its checksum.
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

// checkPages walks the pages that are in use, with plain reads, and checks that
// each is what it should be, is used once, and has all that is in it within it:
// whoever goes on through the mapping then cannot fall out of it nor run in a
// circle, in which bbolt takes all memory there is. Without all, of a bucket's
// leaf pages only the first is read, which leaves the skeleton, a hundredth of
// the file: 5 ms for 8 million entries. The writer must hold still. The error is
// ErrDamaged, or why it could not read on.
func checkPages(ctx context.Context, f *os.File, all bool) error {
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
	w := pageWalk{ctx: ctx, f: f, all: all, meta: meta, seen: make([]bool, meta.pages)}
	w.todo = []wantedPage{
		{id: meta.freelist, flags: freelistPage, in: new(pageTree)},
		{id: meta.root, flags: branchPage | leafPage, in: &pageTree{top: true}},
	}
	for len(w.todo) > 0 {
		p := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if err := w.page(p); err != nil {
			return err
		}
	}
	return nil
}

type pageWalk struct {
	ctx  context.Context
	f    *os.File
	all  bool
	meta boltMeta
	seen []bool
	todo []wantedPage
	buf  []byte
}

// wantedPage is a page, and the kinds that it may be of.
type wantedPage struct {
	id    uint64
	flags uint16
	in    *pageTree
	depth int
}

// pageTree is the tree of pages that a bucket is. All its leaves are equally
// deep, and the walk comes to the first of them first.
type pageTree struct {
	top    bool // the bucket of buckets
	leaves int  // their depth; 0: not known, or the root is one
}

func (w *pageWalk) page(want wantedPage) error {
	bad := func(what string) error { return fmt.Errorf("%w: page %d %s", ErrDamaged, want.id, what) }
	if want.id < 2 || want.id >= w.meta.pages {
		return bad("does not exist")
	}
	if w.seen[want.id] {
		return bad("is used twice")
	}
	w.seen[want.id] = true
	if want.depth > 0 && want.depth == want.in.leaves && !w.all && !want.in.top {
		return nil
	}
	if want.id%1024 == 0 && w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	if err := w.read(want.id, 1); err != nil {
		return err
	}
	flags, count, overflow := u16(w.buf[8:]), int(u16(w.buf[10:])), uint64(u32(w.buf[12:]))
	switch {
	case u64(w.buf) != want.id:
		return bad("says it is another")
	case flags&want.flags != flags || flags&(flags-1) != 0 || flags == 0:
		return bad("is of another kind")
	case overflow >= w.meta.pages-want.id:
		return bad("goes on beyond the end")
	}
	if overflow > 0 {
		if err := w.read(want.id, overflow+1); err != nil {
			return err
		}
	}
	end := uint64(len(w.buf))
	if flags == leafPage {
		want.in.leaves = want.depth
	}
	if flags == freelistPage {
		ids, n := w.buf[pageHeader:], uint64(count)
		if count == 0xffff { // the number is too large for where it should be
			n, ids = u64(ids), ids[8:]
		}
		if n > uint64(len(ids))/8 {
			return bad("holds more than it can")
		}
		last := uint64(1)
		for ids := ids[:n*8]; len(ids) > 0; ids = ids[8:] {
			id := u64(ids)
			if id <= last || id >= w.meta.pages {
				return bad("frees what cannot be free")
			}
			last = id
		}
		return nil
	}
	if uint64(pageHeader+count*elemLen) > end {
		return bad("holds more than it can")
	}
	if count == 0 && flags == branchPage {
		return bad("leads nowhere")
	}
	for i := count - 1; i >= 0; i-- {
		at := uint64(pageHeader + i*elemLen)
		e := w.buf[at:][:elemLen]
		if flags == branchPage {
			if at+uint64(u32(e))+uint64(u32(e[4:])) > end {
				return bad("has a key outside of it")
			}
			w.todo = append(w.todo, wantedPage{u64(e[8:]), branchPage | leafPage, want.in, want.depth + 1})
			continue
		}
		key, keyLen, valLen := at+uint64(u32(e[4:])), uint64(u32(e[8:])), uint64(u32(e[12:]))
		if key+keyLen+valLen > end {
			return bad("has a value outside of it")
		}
		if u32(e)&bucketElem == 0 {
			continue
		}
		if valLen < bucketLen {
			return bad("has a bucket that is none")
		}
		val := w.buf[key+keyLen:][:valLen]
		if root := u64(val); root != 0 {
			w.todo = append(w.todo, wantedPage{root, branchPage | leafPage, new(pageTree), 0})
		} else if !inlineBucket(val[bucketLen:]) {
			return bad("has a bucket that is none")
		}
	}
	return nil
}

// inlineBucket checks the page of a bucket so small that it is a value.
func inlineBucket(b []byte) bool {
	if len(b) < pageHeader || u16(b[8:]) != leafPage {
		return false
	}
	count := int(u16(b[10:]))
	if pageHeader+count*elemLen > len(b) {
		return false
	}
	for i := range count {
		at := uint64(pageHeader + i*elemLen)
		e := b[at:][:elemLen]
		if u32(e)&bucketElem != 0 || at+uint64(u32(e[4:]))+uint64(u32(e[8:]))+uint64(u32(e[12:])) > uint64(len(b)) {
			return false
		}
	}
	return true
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
