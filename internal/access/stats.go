package access

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"indexd/listing"
)

// MaxAge bounds the age of the information behind an answer: for that long, a caller
// whose permission was revoked may still see a directory.
const MaxAge = time.Second

// statMaxAge is how long a stat is valid, and wayMaxAge how long what was derived from it
// is.
const (
	statMaxAge = MaxAge - wayMaxAge
	wayMaxAge  = MaxAge / 10
)

// Stats caches the stats of directories for all callers, and renews them in time. It is
// safe for concurrent use. System calls are made by goroutines of its own, so that one
// that does not return delays a caller by at most statTimeout. Close ends the goroutines.
type Stats struct {
	shards  [32]shard
	blocks  [blockCount]atomic.Pointer[block]
	seed    maphash.Seed
	epoch   time.Time
	workers statWorkers
	now     func() time.Time
}

// block holds the stats of directories that have numbers, namely those in the index. The
// index is read in the order of these numbers, so the next stat is often in the
// processor's cache. In a map of that size every lookup would be a cache miss, which
// takes longer than everything else. Directories whose numbers are equal modulo slotCount
// share a slot, which bounds the memory.
type block struct {
	mu    sync.Mutex
	slots [blockLen]struct {
		key uint64
		dirStat
	}
}

const (
	blockLen   = 64
	blockCount = 2048
	slotCount  = blockLen * blockCount // 131,072 slots, which take 12 MB when all are used
)

// shard caches the stats of other directories in two generations; when the younger is
// full, the older is dropped. The keys are hashes of paths with a secret seed.
type shard struct {
	mu         sync.Mutex
	young, old map[uint64]dirStat
}

const shardLen = 256 // 16,384 in total, which take 2 MB

// dirStat is the state of a directory at one moment.
type dirStat struct {
	perms
	id
	ctime listing.Time
	at    int64 // ns since Stats.epoch, before the system call
	up    id    // if linked, the directory that it was found in
}

// flags belong to dirStat; they are part of perms, where they take no extra memory.
type flags struct {
	none    bool // not a directory, or not accessible
	settled bool // ctime was old enough to reveal every later change
	linked  bool // found through its open parent
}

// noDir is the dirStat of a path that is not a directory.
var noDir = dirStat{perms: perms{flags: flags{none: true}}}

// id identifies a directory.
type id struct {
	ino   uint64
	mount uint32 // mount id
	dev   uint32 // st_dev of the kernel, which differs between btrfs subvolumes
}

// NewStats returns an empty cache.
func NewStats() *Stats {
	s := &Stats{seed: maphash.MakeSeed(), epoch: time.Now(), now: time.Now}
	s.workers.stat = statDir
	s.workers.timeout = statTimeout
	s.workers.mountOf = mountOf
	return s
}

// Close ends all worker goroutines except stuck ones. The Stats must not be used
// afterwards.
func (s *Stats) Close() { s.workers.close() }

// nanos converts a time to nanoseconds since s.epoch.
func (s *Stats) nanos(t time.Time) int64 { return int64(t.Sub(s.epoch)) }

// key returns the hash of a path.
func (s *Stats) key(dir string) uint64 { return maphash.String(s.seed, dir) }

// lookup copies the cached stat of a directory to st. number, if not 0, is the number
// that the directory keeps for some time.
func (s *Stats) lookup(key, number uint64, st *dirStat) bool {
	if number == 0 {
		sh := &s.shards[key%uint64(len(s.shards))]
		sh.mu.Lock()
		defer sh.mu.Unlock()
		known, ok := sh.young[key]
		if !ok {
			known, ok = sh.old[key]
		}
		*st = known
		return ok
	}
	b := s.blocks[number/blockLen%blockCount].Load()
	if b == nil {
		return false
	}
	p := &b.slots[number%blockLen]
	b.mu.Lock()
	ok := p.key == key && p.at != 0
	if ok {
		*st = p.dirStat
	}
	b.mu.Unlock()
	return ok
}

// refresh performs the requests of b, caches the results and returns the first. left
// reports that a stuck worker still owns b.
func (s *Stats) refresh(b *batch) (st dirStat, left bool) {
	first, way, alone := b.requests[0], b.above, len(b.requests) == 1
	for {
		at := s.nanos(s.now())
		if s.workers.do(b) { // system calls: no lock is held
			for i := range b.results {
				b.results[i].at = at
				s.store(b.requests[i].key, b.requests[i].number, &b.results[i])
			}
			return b.results[0], left
		}
		if left = true; alone {
			st = noDir
			st.at = at
			return st, left
		}
		// The stuck request may be another one: retry the first alone.
		b, alone = &batch{requests: []request{first}, above: way}, true
	}
}

func (s *Stats) store(key, number uint64, st *dirStat) {
	if number == 0 {
		sh := &s.shards[key%uint64(len(s.shards))]
		sh.mu.Lock()
		defer sh.mu.Unlock()
		if len(sh.young) >= shardLen || sh.young == nil {
			sh.young, sh.old = make(map[uint64]dirStat, shardLen/4), sh.young
		}
		sh.young[key] = *st
		return
	}
	at := &s.blocks[number/blockLen%blockCount]
	b := at.Load()
	if b == nil {
		b = new(block)
		if !at.CompareAndSwap(nil, b) {
			b = at.Load()
		}
	}
	p := &b.slots[number%blockLen]
	b.mu.Lock()
	p.key, p.dirStat = key, *st
	b.mu.Unlock()
}
