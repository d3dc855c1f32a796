package dbfile

import (
	"context"
	"errors"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Tx is the write transaction. Everything done in it takes effect at Commit, or not
// at all. It is used by one goroutine at a time, and ended with Commit or Rollback.
//
// What a Tx has changed stays in memory until Commit: the caller watches Bytes and
// commits in time.
type Tx struct {
	f    *File
	h    *handle
	tx   *bolt.Tx // nil when it has ended
	done func(committed bool)

	written int   // bytes of keys and values put
	puts    int   // their number
	pages   int64 // bytes that Commit wrote
	leave   int64 // see Leave
	dirty   bool  // something was put or deleted

	touched delta                   // what was put and deleted, while Compact copies
	names   map[*bolt.Bucket]string // for touched
}

// Begin starts the write transaction; if there is one it waits for its end. done is
// called when the transaction ends, before the next one can begin, and says whether
// its changes hold. ErrReadOnly and ErrClosed are returned, and after a Commit that
// failed the error of the file system, until Begin has made sure that the failed
// commit has left nothing behind: then it may be tried again.
func (f *File) Begin(done func(committed bool)) (*Tx, error) {
	f.writer.Lock()
	t, err := f.begin(done)
	if err != nil {
		f.writer.Unlock()
		return nil, err
	}
	return t, nil
}

func (f *File) begin(done func(bool)) (*Tx, error) {
	if err := errors.Join(f.syncName(), f.recover()); err != nil {
		return nil, err
	}
	h, err := f.files.take()
	if err != nil {
		return nil, err
	}
	t := &Tx{f: f, h: h, done: done}
	err = f.CatchCorruption(func() (err error) {
		t.tx, err = h.db.Begin(true)
		return openErr(err)
	})
	if err != nil {
		f.files.release(h)
		return nil, err
	}
	return t, nil
}

// Snap returns the database as the transaction has made it so far. It is for the
// same goroutine, until the transaction ends.
func (t *Tx) Snap() *Snap { return &Snap{t.h, t.tx} }

// Do calls fn as part of the transaction, with CatchCorruption. ErrClosed is
// returned if the transaction has ended.
func (t *Tx) Do(fn func() error) error {
	if t.tx == nil {
		return ErrClosed
	}
	return t.f.CatchCorruption(fn)
}

// Put stores a value. Key and value must not be changed before Commit.
func (t *Tx) Put(b *bolt.Bucket, key, val []byte) error {
	t.dirty = true
	t.written += len(key) + len(val) + 64
	t.puts++
	t.touch(b, key)
	return openErr(b.Put(key, val))
}

// Delete removes a value, if there is one.
func (t *Tx) Delete(b *bolt.Bucket, key []byte) error {
	if b.Get(key) == nil {
		return nil
	}
	t.dirty = true
	t.touch(b, key)
	return openErr(b.Delete(key))
}

// Dirty reports whether anything was put or deleted.
func (t *Tx) Dirty() bool { return t.dirty }

// Bytes estimates the memory in bytes that the transaction holds until Commit, and
// that Commit itself will need.
func (t *Tx) Bytes() int {
	st := t.tx.Stats()
	// A page that was touched is a node in memory, and a page again at Commit,
	// as is what was put.
	return 2*t.written + 3*t.f.pageSize*int(st.GetNodeCount())
}

// Written returns about how many bytes of pages Commit wrote; 0 before it.
func (t *Tx) Written() int64 { return t.pages }

// Commit calls flush, which may still change something, writes all changes and
// syncs the file. If flush reports that there is nothing to commit, nothing is
// written. ErrFull is returned when the size limit is reached, see Leave, or
// ErrDamaged, or flush's error, or the error of the file system; then nothing was
// done.
func (t *Tx) Commit(flush func() (changed bool, err error)) error {
	return t.end(func() error {
		changed, err := flush()
		if err != nil {
			return err
		}
		if !changed {
			return t.tx.Rollback()
		}
		if !t.fits() {
			return ErrFull
		}
		if err := t.f.verify(context.Background(), t.h); err != nil {
			return err
		}
		good := uint64(t.tx.ID()) - 1
		if err := openErr(t.tx.Commit()); err != nil {
			if !errors.Is(err, ErrFull) { // which comes before anything is written
				t.f.noteFailedCommit(t.h, good)
			}
			return err
		}
		st := t.tx.Stats()
		t.pages = st.GetPageAlloc() + int64(t.f.pageSize) // and the meta page
		t.f.puts.Add(uint64(t.puts))
		if t.f.delta != nil {
			t.f.delta.merge(&t.touched)
		}
		return nil
	})
}

// Rollback discards the changes. After Commit or Rollback it does nothing.
func (t *Tx) Rollback() {
	if t.tx != nil {
		_ = t.end(func() error { return errRollback })
	}
}

var errRollback = errors.New("store: rolled back")

// end ends the transaction with do, and rolls it back if that fails.
func (t *Tx) end(do func() error) error {
	tx := t.tx
	if tx == nil {
		return ErrClosed
	}
	defer t.f.writer.Unlock()
	defer t.f.files.release(t.h)
	err := t.f.CatchCorruption(do)
	t.tx = nil
	if err != nil && t.f.Damage() == nil { // with damage a rollback may never return
		rerr := CatchCorruption(tx.Rollback)
		if rerr != nil && !errors.Is(rerr, berrors.ErrTxClosed) {
			err = errors.Join(err, rerr)
		}
	}
	t.done(err == nil)
	return err
}
