package postings

import "indexd/store/postings/trigram"

// Names are gathered in a trigram.Builder of up to builderLen bytes of memory, which the docs
// of one segment rarely take: 65,536 directories of a whole machine take 10 MB.
const builderLen = 14 << 20

// nameBatch is about how many bytes of names are copied from one snapshot, docBatch the
// highest number of docs.
const (
	nameBatch = 256 << 10
	docBatch  = 1024
)

// gathering adds the names of docs to a Builder, in short snapshots.
type gathering struct {
	db   DB
	stop func() error
	buf  []byte // names of the batch
	ends []int  // where those of each doc end in buf
	docs []uint32

	added      []uint32 // docs that the Builder has
	rest       []uint32 // docs that it had no room for
	unreadable []uint32 // docs whose names cannot be read now
}

// gather adds the names of docs, which are in ascending order.
func (g *gathering) gather(b *trigram.Builder, docs []uint32) error {
	g.buf = make([]byte, 0, nameBatch+nameBatch/4)
	for len(docs) > 0 {
		if err := g.stop(); err != nil {
			return err
		}
		n := 0
		err := g.db.View(func(r Reader) error {
			n = g.read(r, docs[:min(len(docs), docBatch)])
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

// read copies the names of the next docs and returns how many docs it has read.
func (g *gathering) read(r Reader, docs []uint32) int {
	g.buf, g.ends, g.docs = g.buf[:0], g.ends[:0], g.docs[:0]
	for i, doc := range docs {
		if len(g.buf) >= nameBatch {
			return i
		}
		names, ok, exists := r.Names(doc)
		switch {
		case !exists:
		case !ok:
			g.unreadable = append(g.unreadable, doc)
		default:
			g.buf = append(g.buf, names...)
			g.ends = append(g.ends, len(g.buf))
			g.docs = append(g.docs, doc)
		}
	}
	return len(docs)
}
