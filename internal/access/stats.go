package access

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"indexd/listing"
)

// MaxAge is how old what an answer is made of may be: so long who was let in may
// still see what is closed by now.
const MaxAge = time.Second

// keep is how long a look is good for, and keepWay how long what was made of it.
const (
	statMaxAge = MaxAge - wayMaxAge
	wayMaxAge  = MaxAge / 10
)

// Stats are what directories are like now, for all callers. What they say is
// looked up again in time. It may be used by any number of
// goroutines. Looks are made by goroutines of its own, so that one that does not
// come back holds up nobody for longer than patience; Close ends those that wait
// for work.
type Stats struct {
	shards  [32]shard
	blocks  [blockCount]atomic.Pointer[block]
	seed    maphash.Seed
	epoch   time.Time
	workers statWorkers
	now     func() time.Time
}

// block holds what was looked up of directories that have numbers, those of the
// index, which it gives in the order in which it is read: so the next one is in
// the cache of the processor when it is asked for. In a map of as many each is
// waited for, which takes longer than all the rest. A place is for one directory at
// a time, of those with the same number modulo placeCount; memory is bounded.
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
	slotCount  = blockLen * blockCount // 131,072, which take 12 MB if they are used
)

// shard holds what was looked up of others, in two generations, of which the older
// is dropped when the younger is full. The keys are hashes of the paths by a seed
// that nobody knows.
type shard struct {
	mu         sync.Mutex
	young, old map[uint64]dirStat
}

const shardLen = 256 // so 16,384 in all, which take 2 MB

// stat is what one look at a directory said.
type dirStat struct {
	perms
	id
	ctime listing.Time
	at    int64 // ns since Stats.begun, before the look
	up    id    // where linked, the directory that it was found in
}

// flags are those of a stat, in a place where they take no memory.
type flags struct {
	none    bool // it is no directory, or could not be looked at
	settled bool // ctime was old enough to tell every change since
	linked  bool
}

// noDir is the stat of what is no directory.
var noDir = dirStat{perms: perms{flags: flags{none: true}}}

// id tells one directory from another.
type id struct {
	ino   uint64
	mount uint32 // on which mount it was
	dev   uint32 // st_dev as the kernel has it, which a subvolume of btrfs has of its own
}

// NewStats returns an empty one.
func NewStats() *Stats {
	s := &Stats{seed: maphash.MakeSeed(), epoch: time.Now(), now: time.Now}
	s.workers.stat = statDir
	s.workers.timeout = statTimeout
	s.workers.mountOf = mountOf
	return s
}

// Close ends the goroutines that look, but for those that do not come back. Nobody
// may ask any more.
func (s *Stats) Close() { s.workers.close() }

// since is a moment as stats have it.
func (s *Stats) nanos(t time.Time) int64 { return int64(t.Sub(s.epoch)) }

// key stands for a path.
func (s *Stats) key(dir string) uint64 { return maphash.String(s.seed, dir) }

// get copies what is known of a directory to st. number, if not 0, is one that it
// has for some time.
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

// anew has the directories of b looked at, keeps what was told, and returns it of
// the first. left: b is a looker's now, which does not come back.
func (s *Stats) refresh(b *batch) (st dirStat, left bool) {
	first, way, alone := b.requests[0], b.above, len(b.requests) == 1
	for {
		at := s.nanos(s.now())
		if s.workers.do(b) { // system calls: under no lock
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
		// It may be another that did not answer.
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
