package store

import (
	"context"
	"errors"
	"fmt"
	"indexd/store/internal/codec"

	bolt "go.etcd.io/bbolt"
)

// Damaged is closed when the file's pages turn out to be broken while the
// database is open. From then on whatever needs them returns ErrDamaged, Close
// waits for nobody, and goroutines of before may never come back from bbolt: who
// uses the Store had best end the process, or begin a new one in its place.
func (s *Store) Damaged() <-chan struct{} { return s.damaged }

// Damage is why Damaged is closed; nil while it is not.
func (s *Store) Damage() error {
	if p := s.broken.Load(); p != nil {
		return *p
	}
	return nil
}

// guard is Guard for what goes through the file; it remembers damage, and does
// nothing when there is some.
func (s *Store) guard(fn func() error) error {
	if err := s.Damage(); err != nil {
		return err
	}
	err := Guard(fn)
	s.notice(err)
	return err
}

// notice takes note of an error that says that the file is broken.
func (s *Store) notice(err error) {
	if errors.Is(err, ErrDamaged) && s.broken.CompareAndSwap(nil, &err) {
		close(s.damaged)
	}
}

// Suspect has all pages looked at again before the next is written, and by
// CheckPages. It is for who met something damaged while the database is open: what
// is wrong may not be a value alone. It does not wait.
func (s *Store) Suspect() { s.suspect.Store(true) }

// CheckPages reads all pages, as checkPages has it, if nothing did since Open or
// Suspect.
// The writer waits meanwhile, snapshots do not. ErrDamaged is returned, or ctx's
// error.
func (s *Store) CheckPages(ctx context.Context) error {
	s.writer.Lock()
	defer s.writer.Unlock()
	h, err := s.files.take()
	if err != nil {
		return err
	}
	defer s.files.release(h)
	return s.soundLocked(ctx, h)
}

// soundLocked sees to it that all pages were looked at before the first is written
// to: bbolt, which joins and splits what it takes for pages, makes of little
// damage a great one, or comes to no end.
func (s *Store) soundLocked(ctx context.Context, h *handle) error {
	if !s.suspect.Swap(false) && s.sound {
		return nil
	}
	err := checkPages(ctx, h.file, true)
	s.sound = err == nil
	s.notice(err)
	return err
}

// checkSmall looks at all values of the buckets of which each matters for
// everything, and which are small. Which directory a damaged one is about cannot
// be known, since it may be the key that is: so there is nothing to be mended.
func checkSmall(b *buckets, st *state) error {
	for _, x := range []struct {
		name  []byte
		in    *bolt.Bucket
		count uint64
	}{
		{bucketMeta, b.meta, 3}, {bucketVolumes, b.volumes, anyCount}, {bucketCounts, b.counts, anyCount},
		{bucketPending, b.pending, st.pending}, {bucketDead, b.dead, st.dead}, {bucketStops, b.stops, anyCount},
		{bucketFailed, b.failed, anyCount}, {bucketRoots, b.roots, anyCount}, {bucketJobs, b.jobs, anyCount},
		{bucketSettings, b.settings, anyCount},
	} {
		n := uint64(0)
		err := x.in.ForEach(func(k, v []byte) error {
			n++
			if _, err := codec.VerifyChecksum(k, v); err != nil {
				return fmt.Errorf("%w: a value of %s", ErrDamaged, x.name)
			}
			return nil
		})
		if err == nil && x.count != anyCount && n != x.count {
			err = fmt.Errorf("%w: %s has %d values, counted %d", ErrDamaged, x.name, n, x.count)
		}
		if err != nil {
			return err
		}
	}
	// The values of these are mended, but not in a place that nobody looks at.
	for _, x := range []struct {
		name []byte
		in   *bolt.Bucket
		len  int
	}{{bucketSegments, b.segments, 4}, {bucketFresh, b.fresh, 3}} {
		err := x.in.ForEach(func(k, _ []byte) error {
			if len(k) != x.len {
				return fmt.Errorf("%w: a key of %s", ErrDamaged, x.name)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
