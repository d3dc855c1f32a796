package dbfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Slack estimates how much smaller the file would be after Compact, and returns its size,
// both in bytes. It reads the header of every page, so it reuses its last answer, plus
// the pages that are free now, until a quarter as many values were put as the largest
// bucket has: then the cost per value does not grow.
func (f *File) Slack() (slack, size int64, err error) {
	f.slack.mu.Lock()
	defer f.slack.mu.Unlock()
	err = f.View(func(sn *Snap) error {
		st := sn.h.db.Stats()
		free := int64(st.FreePageN+st.PendingPageN) * int64(sn.h.pageSize) // pending pages are those that the last commits freed
		size = sn.tx.Size()
		records := uint64(0)
		if f.slack.known {
			records = f.slack.records
		}
		if puts := f.puts.Load(); !f.slack.known || puts-f.slack.puts > records/4 {
			inPages := int64(0)
			records = 0
			err := sn.tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
				st := b.Stats()
				inPages += int64(st.LeafAlloc + st.BranchAlloc - st.LeafInuse - st.BranchInuse)
				records = max(records, uint64(st.KeyN))
				return nil
			})
			if err != nil {
				return err
			}
			f.slack.known, f.slack.puts, f.slack.inPages, f.slack.records = true, puts, inPages, records
		}
		slack = free + f.slack.inPages
		return nil
	})
	return slack, size, err
}

// Compact copies the database into a new file without free and half-empty pages, which
// then takes the place of the old one. Snapshots and transactions go on meanwhile; a
// snapshot of the old file may outlast it. At the end the writer waits until its last
// changes are copied too. Compact needs room on the disk for the copy, and returns a
// *NoRoomError if there clearly is not enough. Any error leaves the old file as it was.
// Concurrent calls wait for each other. The calling goroutine must not hold a
// transaction. If the file was removed, Compact makes it again; if another file has
// taken its place, it returns ErrReplaced.
func (f *File) Compact(ctx context.Context) (err error) {
	if f.opt.ReadOnly {
		return ErrReadOnly
	}
	f.compacting.Lock()
	defer f.compacting.Unlock()
	if err := f.namedNow(); errors.Is(err, ErrReplaced) {
		return err // the files beside it may be another process's too
	}
	if err := f.roomToCompact(); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	f.stopping.Store(&stop)
	c := compaction{f: f, ctx: ctx}
	defer func() {
		f.stopping.Store(nil)
		stop(nil)
		f.writer.Lock()
		f.delta = nil
		f.writer.Unlock()
	}()
	if err := f.CatchCorruption(c.run); err != nil {
		c.discard()
		return fmt.Errorf("compact %s: %w", f.path, err)
	}
	return nil
}

// NoRoomError is returned by Compact if the copy would not fit on the disk, or would
// nearly fill it.
type NoRoomError struct {
	Need, Free int64 // bytes
}

func (e *NoRoomError) Error() string {
	return fmt.Sprintf("store: to compact the database takes %d bytes on its disk, of which %d are free", e.Need, e.Free)
}

// roomToCompact returns a *NoRoomError if there is less room than the copy will take plus
// a sixteenth, for changes made meanwhile. If the room is not known it returns nil.
func (f *File) roomToCompact() error {
	slack, size, err := f.Slack()
	if err != nil {
		return err
	}
	var st unix.Statfs_t
	if unix.Statfs(filepath.Dir(f.path), &st) != nil || st.Blocks == 0 {
		return nil
	}
	need := (size-slack)/16*17 + 1<<20
	if free := int64(st.Bavail) * st.Bsize; free < need {
		return &NoRoomError{need, free}
	}
	return nil
}

// stopCompacting cancels the compaction in progress.
func (f *File) stopCompacting(why error) {
	if stop := f.stopping.Load(); stop != nil {
		(*stop)(why)
	}
}

// compaction is one call of Compact.
type compaction struct {
	f    *File
	ctx  context.Context
	to   *handle
	tx   *bolt.Tx // write transaction of to
	held int      // bytes put in tx
}

// compactBatch is how many bytes of values one transaction of a copy holds. They and
// their pages stay in memory until it ends.
const compactBatch = 1 << 20

// A copy catches up with changes until at most compactLast keys are left for the writer
// to wait for, or compactRounds times.
const (
	compactLast   = 1000
	compactRounds = 8
)

func (c *compaction) run() error {
	if err := c.create(); err != nil {
		return err
	}
	if err := c.copyAll(); err != nil {
		return err
	}
	for range compactRounds {
		n, err := c.catchUp()
		if err != nil {
			return err
		}
		if n <= compactLast {
			break
		}
	}
	// Sync most of it while the writer goes on.
	if err := c.to.sync(); err != nil {
		return err
	}
	return c.swap()
}

func (c *compaction) create() error {
	name := compactName(c.f.path)
	if err := c.f.opt.createFile(name, os.O_TRUNC); err != nil {
		return err
	}
	to, err := openBolt(name, c.f.opt)
	if err != nil {
		return errors.Join(err, c.f.opt.remove(name))
	}
	to.setSync(false) // until it is whole
	c.to = to
	return c.begin()
}

func (c *compaction) begin() (err error) {
	c.tx, err = c.to.db.Begin(true)
	c.held = 0
	return openErr(err)
}

// commit ends a batch and begins the next.
func (c *compaction) commit() error {
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	if err := openErr(c.tx.Commit()); err != nil {
		return err
	}
	return c.begin()
}

// source begins a snapshot of the database. Keys committed from then on are collected
// in a new delta; the previous one is returned.
func (c *compaction) source() (h *handle, tx *bolt.Tx, was *delta, err error) {
	c.f.writer.Lock()
	defer c.f.writer.Unlock()
	return c.sourceLocked()
}

func (c *compaction) sourceLocked() (h *handle, tx *bolt.Tx, was *delta, err error) {
	if c.f.failed != nil {
		return nil, nil, nil, errCommitFailed
	}
	if h, err = c.f.files.take(); err != nil {
		return nil, nil, nil, err
	}
	if tx, err = h.db.Begin(false); err != nil {
		c.f.files.release(h)
		return nil, nil, nil, openErr(err)
	}
	was, c.f.delta = c.f.delta, new(delta)
	return h, tx, was, nil
}

func (c *compaction) copyAll() error {
	h, src, _, err := c.source()
	if err != nil {
		return err
	}
	defer c.f.files.release(h)
	defer src.Rollback()
	err = src.ForEach(func(name []byte, from *bolt.Bucket) error {
		if _, err := c.tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
		to := c.bucket(name)
		return from.ForEach(func(k, v []byte) error {
			if c.held >= compactBatch {
				if err := c.commit(); err != nil {
					return err
				}
				to = c.bucket(name)
			}
			c.held += len(k) + len(v) + 64
			return openErr(to.Put(k, v))
		})
	})
	if err != nil {
		return err
	}
	return c.commit() // before the snapshot ends, since bbolt refers to its values until then
}

func (c *compaction) bucket(name []byte) *bolt.Bucket {
	b := c.tx.Bucket(name)
	b.FillPercent = 1 // keys come in ascending order
	return b
}

// catchUp copies what has changed since the last source, and returns the number of keys.
func (c *compaction) catchUp() (n int, err error) {
	h, src, was, err := c.source()
	if err != nil {
		return 0, err
	}
	defer c.f.files.release(h)
	defer src.Rollback()
	if n, err = c.apply(src, was); err != nil {
		return n, err
	}
	return n, c.commit()
}

func (c *compaction) apply(src *bolt.Tx, d *delta) (n int, err error) {
	if d.size > maxDelta {
		return 0, errBusy
	}
	for name, keys := range d.keys {
		from, to := src.Bucket([]byte(name)), c.tx.Bucket([]byte(name))
		for key := range keys {
			if c.held >= compactBatch {
				if err := c.commit(); err != nil {
					return n, err
				}
				to = c.tx.Bucket([]byte(name))
			}
			n++
			if v := from.Get([]byte(key)); v != nil {
				c.held += len(key) + len(v) + 64
				err = to.Put([]byte(key), v)
			} else {
				err = to.Delete([]byte(key))
			}
			if err != nil {
				return n, openErr(err)
			}
		}
	}
	return n, nil
}

// swap copies the last changes while the writer waits, and puts the copy in the place of
// the database.
func (c *compaction) swap() error {
	f := c.f
	f.writer.Lock()
	defer f.writer.Unlock()
	h, src, was, err := c.sourceLocked()
	if err != nil {
		return err
	}
	defer f.files.release(h)
	defer src.Rollback()
	if _, err = c.apply(src, was); err != nil {
		return err
	}
	if err := openErr(c.tx.Commit()); err != nil {
		return err
	}
	c.tx = nil
	if err := c.to.sync(); err != nil {
		return err
	}
	if err := f.checkPages(c.ctx, c.to.file, false); err != nil {
		return err
	}
	err = f.opt.at(Point{Op: OpRename, Path: compactName(f.path), To: f.path}, func() error { return c.putInPlace(h) })
	if err != nil && named(c.to.file, f.path) != nil {
		return err
	}
	c.to.renamed(f.path)
	c.to.setSync(h.synced())
	f.files.replace(c.to)
	c.to = nil
	f.pageSize = f.files.now.db.Info().PageSize
	f.slack.forget()
	f.unnamed = true
	if err := f.syncName(); err != nil {
		f.log.Warn("the compacted database waits for its directory to be synced", "err", err)
	}
	return nil
}

// syncName makes sure that the file in use keeps its name after a power cut, with which
// all commits to it would be lost. If it returns an error nothing may be written yet. The
// writer is held.
func (f *File) syncName() error {
	if !f.unnamed {
		return nil
	}
	if err := f.opt.syncDir(filepath.Dir(f.path)); err != nil {
		return err
	}
	f.unnamed = false
	return nil
}

// discard removes an unfinished copy.
func (c *compaction) discard() {
	if c.to == nil {
		return
	}
	mine := named(c.to.file, compactName(c.f.path)) == nil
	_ = CatchCorruption(func() error {
		if c.tx != nil {
			_ = c.tx.Rollback()
		}
		return c.to.db.Close()
	})
	if !mine {
		return
	}
	if err := c.f.opt.remove(compactName(c.f.path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.f.log.Warn("cannot remove the copy of the database", "err", err)
	}
}

// slack is what Slack remembers between calls.
type slack struct {
	mu      sync.Mutex
	known   bool
	puts    uint64 // File.puts at the time
	records uint64 // in the largest bucket
	inPages int64  // unused bytes in pages in use
}

func (l *slack) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = false
}
