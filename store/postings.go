package store

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2"
	bolt "go.etcd.io/bbolt"

	"indexd/store/postings"
	"indexd/store/postings/trigram"
	"indexd/store/record"
)

// maxDoc is the highest doc id that the postings can hold.
const maxDoc = postings.MaxDoc

// Candidates returns the ids of the docs that may have names that meet need: all living ones
// that do, and maybe others. nil stands for every doc. The bitmap is the caller's, and outlives
// the snapshot. The error is ErrDamaged.
func (sn *Snap) Candidates(need *trigram.Need) (*roaring.Bitmap, error) {
	if sn.state.nextDoc > maxDoc {
		return nil, nil
	}
	return postings.Candidates(postingsReader{sn, nil}, need)
}

// Step is a part of a Merge that is done in the write transaction.
type Step struct {
	// Do does it. If the transaction is rolled back, it may be called again in another.
	Do    func(*Tx) error
	Bytes int  // about how much is written
	Adds  bool // the database grows by it
	Wait  bool // the next step must not begin before this one is committed
}

// Merge is work on the postings that is due, see postings.Merge.
type Merge struct {
	*postings.Merge
	s *Store
}

// NextMerge returns the merge that is due next, nil if none is. With bulk a first index is
// under way; with idle nothing has been merged for a while; see postings.Merger.Next.
func (s *Store) NextMerge(bulk, idle bool) (*Merge, error) {
	m, err := s.merger.Next(&postingsDB{s: s}, s.state.Load().postings.Unindexed, bulk, idle)
	if m == nil || err != nil {
		return nil, err
	}
	return &Merge{m, s}, nil
}

// Run does the merge. It calls apply with one step after the other. The caller does them in
// write transactions of its own, in order and any number in one; apply returns when the step
// is accepted or, if it has Wait set, committed. An error of apply, or ctx's, ends the merge
// and is returned.
func (m *Merge) Run(ctx context.Context, apply func(Step) error) error {
	return m.Merge.Run(ctx, &postingsDB{s: m.s}, func(step postings.Step) error {
		return apply(Step{Bytes: step.Bytes, Adds: step.Adds, Wait: step.Wait, Do: func(t *Tx) error {
			return t.do(func() error {
				if step.Wait { // it may read the sets
					if err := t.changes.Flush(t.postings()); err != nil {
						return err
					}
				}
				return step.Do(t.postings())
			})
		}})
	})
}

// postingsDB implements postings.DB for one merge.
type postingsDB struct {
	s     *Store
	names nameReader // what it knows about directories outlives a snapshot
}

func (db *postingsDB) View(fn func(postings.Reader) error) error {
	return db.s.View(func(sn *Snap) error {
		db.names.begin(sn)
		return fn(postingsReader{sn, &db.names})
	})
}

// postingsReader implements postings.Reader.
type postingsReader struct {
	sn    *Snap
	names *nameReader // nil if Names is not called
}

func (r postingsReader) Bucket(b postings.Bucket) *bolt.Bucket {
	return [...]*bolt.Bucket{postings.Pages: r.sn.b.postings, postings.Segments: r.sn.b.segments, postings.Sets: r.sn.b.fresh}[b]
}

func (r postingsReader) Counts() *postings.Counts { return &r.sn.state.postings }

func (r postingsReader) Names(doc uint32) (names []byte, ok, exists bool) {
	var rec record.Record
	return r.names.read(r.sn, uint64(doc), &rec)
}

func (r postingsReader) Corrupt(b postings.Bucket, key []byte) error {
	return r.sn.s.corrupt([...][]byte{postings.Pages: bucketPostings, postings.Segments: bucketSegments, postings.Sets: bucketFresh}[b], key)
}

// postingsWriter implements postings.Writer.
type postingsWriter struct {
	postingsReader
	t *Tx
}

func (t *Tx) postings() postingsWriter { return postingsWriter{postingsReader{t.snap, nil}, t} }

func (w postingsWriter) Counts() *postings.Counts { return &w.t.state.postings }

func (w postingsWriter) Put(b postings.Bucket, key, val []byte) error {
	return w.t.tx.Put(w.Bucket(b), key, val)
}

func (w postingsWriter) Delete(b postings.Bucket, key []byte) error {
	return w.t.tx.Delete(w.Bucket(b), key)
}
