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
	keep    = MaxAge - keepWay
	keepWay = MaxAge / 10
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
	begun   time.Time
	lookers lookers
	now     func() time.Time
}

// block holds what was looked up of directories that have numbers, those of the
// index, which it gives in the order in which it is read: so the next one is in
// the cache of the processor when it is asked for. In a map of as many each is
// waited for, which takes longer than all the rest. A place is for one directory at
// a time, of those with the same number modulo placeCount; memory is bounded.
type block struct {
	mu     sync.Mutex
	places [blockLen]struct {
		key uint64
		stat
	}
}

const (
	blockLen   = 64
	blockCount = 2048
	placeCount = blockLen * blockCount // 131,072, which take 13 MB if they are used
)

// shard holds what was looked up of others, in two generations, of which the older
// is dropped when the younger is full. The keys are hashes of the paths by a seed
// that nobody knows.
type shard struct {
	mu         sync.Mutex
	young, old map[uint64]stat
}

const shardLen = 256 // so 16,384 in all, which take 2 MB

// stat is what one look at a directory said.
type stat struct {
	perms
	ino, mount uint64 // and on which mount it was
	ctime      listing.Time
	at         int64 // ns since Stats.begun, before the look
	none       bool  // it is no directory, or could not be looked at
	settled    bool  // ctime was old enough to tell every change since
}

// NewStats returns an empty one.
func NewStats() *Stats {
	s := &Stats{seed: maphash.MakeSeed(), begun: time.Now(), now: time.Now}
	s.lookers.look = look
	s.lookers.patience = patience
	s.lookers.mountOf = mountOf
	return s
}

// Close ends the goroutines that look, but for those that do not come back. Nobody
// may ask any more.
func (s *Stats) Close() { s.lookers.close() }

// since is a moment as stats have it.
func (s *Stats) since(t time.Time) int64 { return int64(t.Sub(s.begun)) }

// of returns what dir is like, by a look that was not made before since nor longer
// ago than keep. number, if not 0, is one that it has for some time.
func (s *Stats) of(dir string, number uint64, now, since int64) stat {
	key := maphash.String(s.seed, dir)
	st, known := s.get(key, number)
	if known && st.at >= since && now-st.at < int64(keep) {
		return st
	}
	return s.anew(dir, key, number, st, known)
}

// anew is of where there has to be a look. was is what an earlier one said, if it
// is known.
func (s *Stats) anew(dir string, key, number uint64, was stat, known bool) stat {
	var last *stat
	if known {
		last = &was
	}
	at := s.since(s.now())
	st, ok := s.lookers.ask(dir, last) // system calls: under no lock
	if st.at = at; ok {
		s.put(key, number, &st)
	}
	return st
}

func (s *Stats) get(key, number uint64) (st stat, ok bool) {
	if number == 0 {
		sh := &s.shards[key%uint64(len(s.shards))]
		sh.mu.Lock()
		defer sh.mu.Unlock()
		if st, ok = sh.young[key]; !ok {
			st, ok = sh.old[key]
		}
		return st, ok
	}
	b := s.blocks[number/blockLen%blockCount].Load()
	if b == nil {
		return st, false
	}
	p := &b.places[number%blockLen]
	b.mu.Lock()
	if ok = p.key == key && p.at != 0; ok {
		st = p.stat
	}
	b.mu.Unlock()
	return st, ok
}

func (s *Stats) put(key, number uint64, st *stat) {
	if number == 0 {
		sh := &s.shards[key%uint64(len(s.shards))]
		sh.mu.Lock()
		defer sh.mu.Unlock()
		if len(sh.young) >= shardLen || sh.young == nil {
			sh.young, sh.old = make(map[uint64]stat, shardLen/4), sh.young
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
	p := &b.places[number%blockLen]
	b.mu.Lock()
	p.key, p.stat = key, *st
	b.mu.Unlock()
}
