package indexer

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"indexd/internal/indexer/commit"
	"indexd/internal/watch"
	"indexd/store"
	"indexd/store/record"
)

// patience is how long a system call may take before a file system is taken for
// hung.
const patience = 30 * time.Second

// maxStuck is how many workers are replaced that do not come back. Each pool of
// them may be lost to each of several mounts of a server that is gone.
const maxStuck = 128

// errHung: a file system does not answer.
var errHung = errors.New("its file system does not answer")

// patiently calls fn on a goroutine of its own, which is left behind where it
// has not returned after patience, or when ctx ends: in a system call that
// nothing can interrupt. Then late, else nil, gives its result once it has.
func patiently[T any](ctx context.Context, patience time.Duration, fn func() T) (result T, late <-chan T) {
	done := make(chan T, 1)
	go func() { done <- fn() }()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case result = <-done:
		return result, nil
	case <-limit.C:
	case <-ctx.Done():
	}
	return result, done
}

// hung knows the volumes in which a system call of ours does not return, so that
// no more are made there meanwhile.
type hung struct {
	mu sync.Mutex
	m  map[record.Volume]int
}

func (h *hung) add(v record.Volume, n int) (left int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.m == nil {
		h.m = make(map[record.Volume]int)
	}
	if h.m[v] += n; h.m[v] <= 0 {
		delete(h.m, v)
	}
	return h.m[v]
}

func (h *hung) has(v record.Volume) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.m[v] > 0
}

// deviceOf is walker.Options.Device, for file systems that may hang.
func (x *Indexer) deviceOf(dir string) uint64 {
	if where := x.places.Load(); where != nil {
		if pl, ok := where.find(dir); ok && !watch.Local(pl.mount.FSType) {
			return pl.mount.Dev
		}
	}
	return 0
}

// unanswered records that the file system of a directory does not answer: it is
// the one at its top that cannot be read then.
func (x *Indexer) unanswered(v record.Volume, dir string) {
	x.log.Warn("a file system does not answer; going on without it", "dir", dir)
	key, stamp, now := record.MakeKey(v, ""), x.stamp(), time.Now()
	_ = x.writer.Put(x.running, commit.Item{Bytes: 512, Do: func(tx *store.Tx) error {
		_, err := tx.SetError(key, stamp, uint16(syscall.EIO), now)
		return err
	}})
}

// answersAgain has all roots compared anew: a file system that did not answer
// does.
func (x *Indexer) answersAgain() {
	x.later(func() {
		for _, r := range x.allRoots() {
			r.mu.Lock()
			r.again = true
			r.mu.Unlock()
			x.lookAgain(r)
		}
	})
}
