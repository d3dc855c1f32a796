package store

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

// Slack estimates how much smaller the file would be after Compact, and returns
// its size, both in bytes. It reads the header of every page, so it does no more
// than remember the last answer, with what was free then, until a quarter as
// many values have been put as there are records: then it costs each of them a
// share that does not grow.
func (s *Store) Slack() (slack, size int64, err error) {
	s.slack.mu.Lock()
	defer s.slack.mu.Unlock()
	err = s.View(func(sn *Snap) error {
		st := sn.h.db.Stats()
		free := int64(st.FreePageN+st.PendingPageN) * int64(sn.h.pageSize) // pending: what the last commits freed
		size = sn.tx.Size()
		records := uint64(0)
		if s.slack.known {
			records = s.slack.records
		}
		if puts := s.puts.Load(); !s.slack.known || puts-s.slack.puts > records/4 {
			inPages := int64(0)
			for i := range bucketTable {
				name := bucketTable[i].name
				st := sn.tx.Bucket(name).Stats()
				inPages += int64(st.LeafAlloc + st.BranchAlloc - st.LeafInuse - st.BranchInuse)
				if string(name) == string(bucketListings) {
					s.slack.records = uint64(st.KeyN)
				}
			}
			s.slack.known, s.slack.puts, s.slack.inPages = true, puts, inPages
		}
		slack = free + s.slack.inPages
		return nil
	})
	return slack, size, err
}

// compactName is where the copy is made. There is never more than one: who makes
// it has the database locked.
func compactName(path string) string { return path + ".compact" }

// Compact copies the database into a new file, without free and half-empty
// pages, which then takes the place of the old one. Snapshots and transactions
// go on meanwhile; a snapshot of the old file may outlast it. The writer waits
// for what it changed in the last moment to be copied too. It needs the room for
// the copy on disk; an error leaves the old file as it was. One call at a time
// does it, others wait. It is called on a goroutine that holds no transaction.
// Where it is clear that there is not enough room it is not begun: *NoRoomError.
// A file that was removed is made again by it; ErrReplaced where another is there.
func (s *Store) Compact(ctx context.Context) (err error) {
	if s.readOnly {
		return ErrReadOnly
	}
	s.compacting.Lock()
	defer s.compacting.Unlock()
	if err := s.namedNow(); errors.Is(err, ErrReplaced) {
		return err // what is beside it may be another's too
	}
	if err := s.roomToCompact(); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	s.stopping.Store(&stop)
	c := compaction{s: s, ctx: ctx}
	defer func() {
		s.stopping.Store(nil)
		stop(nil)
		s.writer.Lock()
		s.delta = nil
		s.writer.Unlock()
	}()
	if err := s.guard(c.run); err != nil {
		c.discard()
		return fmt.Errorf("compact %s: %w", s.path, err)
	}
	return nil
}

// NoRoomError is returned by Compact where the copy would not fit on the disk, or
// leave next to nothing of it.
type NoRoomError struct {
	Need, Free int64 // bytes
}

func (e *NoRoomError) Error() string {
	return fmt.Sprintf("store: to compact the database takes %d bytes on its disk, of which %d are free", e.Need, e.Free)
}

// roomToCompact returns a *NoRoomError where there is less room than the copy will
// take and a sixteenth more, for what changes meanwhile. Where it cannot be told
// the copy is tried.
func (s *Store) roomToCompact() error {
	slack, size, err := s.Slack()
	if err != nil {
		return err
	}
	var st unix.Statfs_t
	if unix.Statfs(filepath.Dir(s.path), &st) != nil || st.Blocks == 0 {
		return nil
	}
	need := (size-slack)/16*17 + 1<<20
	if free := int64(st.Bavail) * st.Bsize; free < need {
		return &NoRoomError{need, free}
	}
	return nil
}

// stopCompacting ends a compaction that is under way, soon.
func (s *Store) stopCompacting(why error) {
	if stop := s.stopping.Load(); stop != nil {
		(*stop)(why)
	}
}

type compaction struct {
	s    *Store
	ctx  context.Context
	to   *handle
	tx   *bolt.Tx // of to
	held int      // bytes put in tx
}

// compactBatch is how many bytes of values one transaction of a copy holds: they
// and their pages stay in memory until it ends.
const compactBatch = 1 << 20

// A copy catches up with what changes until no more keys than this are left for
// the writer to wait for, or so often.
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
	// Most of it comes to disk while the writer goes on.
	if err := c.to.sync(); err != nil {
		return err
	}
	return c.swap()
}

func (c *compaction) create() error {
	name := compactName(c.s.path)
	if err := c.s.opt.createFile(name, os.O_TRUNC); err != nil {
		return err
	}
	to, err := openBolt(name, c.s.opt)
	if err != nil {
		return errors.Join(err, c.s.opt.remove(name))
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

// source begins to look at the present database. What is committed from then on
// is in the store's delta; that of before is returned.
func (c *compaction) source() (h *handle, tx *bolt.Tx, was *delta, err error) {
	c.s.writer.Lock()
	defer c.s.writer.Unlock()
	return c.sourceLocked()
}

func (c *compaction) sourceLocked() (h *handle, tx *bolt.Tx, was *delta, err error) {
	if c.s.doubt != nil {
		return nil, nil, nil, errDoubt
	}
	if h, err = c.s.files.take(); err != nil {
		return nil, nil, nil, err
	}
	if tx, err = h.db.Begin(false); err != nil {
		c.s.files.release(h)
		return nil, nil, nil, openErr(err)
	}
	was, c.s.delta = c.s.delta, new(delta)
	return h, tx, was, nil
}

func (c *compaction) copyAll() error {
	h, src, _, err := c.source()
	if err != nil {
		return err
	}
	defer c.s.files.release(h)
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
	return c.commit() // bbolt keeps values where they are until then
}

func (c *compaction) bucket(name []byte) *bolt.Bucket {
	b := c.tx.Bucket(name)
	b.FillPercent = 1 // keys come in order
	return b
}

// catchUp copies what has changed since the last look, and returns how many keys.
func (c *compaction) catchUp() (n int, err error) {
	h, src, was, err := c.source()
	if err != nil {
		return 0, err
	}
	defer c.s.files.release(h)
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

// swap copies the last changes with the writer waiting, and puts the copy in the
// place of the database.
func (c *compaction) swap() error {
	s := c.s
	s.writer.Lock()
	defer s.writer.Unlock()
	h, src, was, err := c.sourceLocked()
	if err != nil {
		return err
	}
	defer s.files.release(h)
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
	if err := (pageCheck{bucket: noValues}).check(c.ctx, c.to.file); err != nil {
		return err
	}
	err = s.opt.at(Point{Op: OpRename, Path: compactName(s.path), To: s.path}, func() error { return c.putInPlace(h) })
	if err != nil && isAt(c.to.file, s.path) != nil {
		return err
	}
	c.to.renamed(s.path)
	c.to.setSync(h.synced())
	s.files.replace(c.to)
	c.to = nil
	s.pageSize = s.files.now.db.Info().PageSize
	s.slack.forget()
	s.unnamed = true
	if err := s.name(); err != nil {
		s.log.Warn("the compacted database waits for its directory to be synced", "err", err)
	}
	return nil
}

// name makes sure, where that is not known, that the file in use has its name after
// a power cut too: what is committed to it would be lost with it. With an error
// nothing may be written yet. The writer is held.
func (s *Store) name() error {
	if !s.unnamed {
		return nil
	}
	if err := s.opt.syncDir(filepath.Dir(s.path)); err != nil {
		return err
	}
	s.unnamed = false
	return nil
}

// discard forgets a copy that did not come to its end.
func (c *compaction) discard() {
	if c.to == nil {
		return
	}
	mine := named(c.to.file, compactName(c.s.path)) == nil
	_ = Guard(func() error {
		if c.tx != nil {
			_ = c.tx.Rollback()
		}
		return c.to.db.Close()
	})
	if !mine {
		return
	}
	if err := c.s.opt.remove(compactName(c.s.path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.s.log.Warn("cannot remove the copy of the database", "err", err)
	}
}

// slack is what Slack remembers.
type slack struct {
	mu      sync.Mutex
	known   bool
	puts    uint64 // Store.puts when it was looked at
	records uint64 // in listings
	inPages int64  // bytes unused in pages in use
}

func (l *slack) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = false
}
