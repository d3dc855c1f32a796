package store

import (
	"bytes"

	bolt "go.etcd.io/bbolt"

	"indexd/store/record"
)

// nameReader reads the names of docs, in the order of their ids. What it learns about
// directories outlives a snapshot, since the key of a doc never changes.
type nameReader struct {
	dirs map[uint64]string // keys of directories by doc
	size int               // of the keys, bytes

	block uint64 // the number of the block in ents
	have  bool   // a block was read
	ents  [blockLen]readDoc

	listings *bolt.Cursor // shared by all lookups, which makes them cheaper
	key      []byte       // scratch
}

type readDoc struct {
	kind   docKind
	parent uint64
	name   []byte // aliases the database
}

// dirsLen is about how many bytes of keys are kept.
const dirsLen = 1 << 20

// begin must be called with each new snapshot.
func (r *nameReader) begin(sn *Snap) {
	r.have, r.listings = false, sn.b.listings.Cursor()
	if r.dirs == nil || r.size > dirsLen {
		r.dirs, r.size = make(map[uint64]string), 0
	}
}

// load reads the block of a doc.
func (r *nameReader) load(sn *Snap, doc uint64) {
	r.block, r.have = doc/blockLen, true
	clear(r.ents[:])
	key := blockKey(doc)
	val := sn.b.docs.Get(key)
	if val == nil {
		return
	}
	d, err := readBlock(key, val)
	for err == nil {
		i, kind, parent, name, ok := d.next()
		if !ok {
			break
		}
		r.ents[i] = readDoc{kind, parent, name}
	}
	if err != nil || d.r.Bad {
		sn.s.corrupt(bucketDocs, key)
	}
}

// read returns the names in the record of a doc, as Entries.Names does; they are valid while
// the snapshot is. exists is false if there is no such doc, and ok if its names cannot be
// read now: its entries are damaged, or a directory above it was purged.
func (r *nameReader) read(sn *Snap, doc uint64, rec *record.Record) (names []byte, ok, exists bool) {
	if !r.have || doc/blockLen != r.block {
		r.load(sn, doc)
	}
	e := r.ents[doc%blockLen]
	if e.kind == docNone {
		return nil, false, false
	}
	key := r.key[:0]
	if e.kind == docTop {
		key = append(key, e.name...)
	} else {
		dir := r.dir(sn, e.parent, 0)
		if dir == "" {
			return nil, false, true
		}
		key = append(append(key, dir...), 0)
		if e.kind == docChunk {
			key = append(key, 0)
		}
		key = append(key, e.name...)
	}
	r.key = key
	at, val := r.listings.Seek(key)
	if !bytes.Equal(at, key) || rec.Decode(key, val) != nil || rec.Header().Doc != doc || rec.Load() != nil {
		return nil, false, true
	}
	return rec.Names(), true, true
}

// dir returns the key of the directory of a doc, "" if it is not known. level is how far it is
// above the doc that was asked for.
func (r *nameReader) dir(sn *Snap, doc uint64, level int) string {
	key, known := r.dirs[doc]
	if known || level > maxDepth {
		return key
	}
	kind, parent, name, err := sn.doc(doc)
	switch {
	case err != nil:
	case kind == docTop:
		key = string(name)
	case kind == docChild:
		if up := r.dir(sn, parent, level+1); up != "" {
			key = up + "\x00" + string(name)
		}
	}
	r.dirs[doc] = key
	r.size += len(key) + 64
	return key
}
