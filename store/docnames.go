package store

import (
	"bytes"

	bolt "go.etcd.io/bbolt"

	"indexd/store/postings/trigram"
	"indexd/store/record"
)

// nameReader reads the names of docs, in the order of their ids. What it finds
// out about directories outlives a snapshot: a doc's key never changes.
type nameReader struct {
	dirs map[uint64]string // keys of directories by doc
	size int               // of the keys, bytes

	block uint64 // of ents; 0 and have false: none
	have  bool
	ents  [blockLen]readDoc

	listings *bolt.Cursor // one for all, which makes looking up cheaper
	key      []byte       // scratch
}

type readDoc struct {
	kind   docKind
	parent uint64
	name   []byte // aliases the database
}

// dirsLen is about how many bytes of keys are remembered.
const dirsLen = 1 << 20

// begin is called with each new snapshot.
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

// names returns the names that the record of a doc has, as Entries.Names does.
// gone: there is no such doc. Without either the names could not be read. They are
// valid while the snapshot is.
func (r *nameReader) names(sn *Snap, doc uint64, rec *record.Record) (names []byte, ok, gone bool) {
	if !r.have || doc/blockLen != r.block {
		r.load(sn, doc)
	}
	e := r.ents[doc%blockLen]
	if e.kind == docNone {
		return nil, false, true
	}
	key := r.key[:0]
	if e.kind == docTop {
		key = append(key, e.name...)
	} else {
		dir := r.dir(sn, e.parent, 0)
		if dir == "" {
			return nil, false, false
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
		return nil, false, false
	}
	return rec.Names(), true, false
}

// dir returns the key of the directory of a doc, so many levels above the one that
// was asked for; "": it is not known.
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

// A doc's names are gathered in a trigram.Builder up to builderLen bytes of
// memory, which the docs of a segment rarely take: 65,536 directories of a whole
// machine take 10 MB.
const builderLen = 14 << 20

// nameBatch is about how many bytes of names are copied from one snapshot, and
// docBatch how many docs are looked at in it at most.
const (
	nameBatch = 256 << 10
	docBatch  = 1024
)

// gathering adds the names of docs to a Builder, in short snapshots.
type gathering struct {
	s     *Store
	stop  func() error
	names nameReader
	buf   []byte
	ends  []int
	docs  []uint32
	odd   []uint32 // their names could not be read

	added []uint32 // those that the Builder has
	rest  []uint32 // those for which it had no more room
}

// gather adds the names of the docs given, ascending.
func (g *gathering) gather(b *trigram.Builder, docs []uint32) error {
	g.buf = make([]byte, 0, nameBatch+nameBatch/4)
	for len(docs) > 0 {
		if err := g.stop(); err != nil {
			return err
		}
		n := 0
		err := g.s.View(func(sn *Snap) error {
			n = g.read(sn, docs[:min(len(docs), docBatch)])
			return nil
		})
		if err != nil {
			return err
		}
		docs = docs[n:]
		from := 0
		for i, end := range g.ends {
			if b.Size() > builderLen || b.Docs() == trigram.MaxDocs {
				g.added = append(g.added, g.docs[:i]...)
				g.rest = append(append(g.rest, g.docs[i:]...), docs...)
				return nil
			}
			b.Add(g.buf[from:end])
			from = end
		}
		g.added = append(g.added, g.docs...)
	}
	return nil
}

// read copies the names of the next docs, and returns how many it looked at.
func (g *gathering) read(sn *Snap, docs []uint32) int {
	g.buf, g.ends, g.docs = g.buf[:0], g.ends[:0], g.docs[:0]
	g.names.begin(sn)
	var rec record.Record
	for i, doc := range docs {
		if len(g.buf) >= nameBatch {
			return i
		}
		names, ok, gone := g.names.names(sn, uint64(doc), &rec)
		switch {
		case gone:
		case !ok:
			g.odd = append(g.odd, doc)
		default:
			g.buf = append(g.buf, names...)
			g.ends = append(g.ends, len(g.buf))
			g.docs = append(g.docs, doc)
		}
	}
	return len(docs)
}
