package access

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"indexd/listing"
)

// MaxAge is how old what an answer is made of may be: so long who was let in may
// still see what is closed by now.
const MaxAge = time.Second

// keep is how long a look is good for, and again what was made of it.
const keep = MaxAge / 2

// Stats are what directories are like now, for all callers. What they say is
// looked up again after half of MaxAge. It may be used by any number of
// goroutines. Looks are made by goroutines of its own, so that one that does not
// come back holds up nobody for longer than patience; Close ends those that wait
// for work.
type Stats struct {
	shards  [32]shard
	seed    maphash.Seed
	begun   time.Time
	lookers lookers
	now     func() time.Time
}

// shard holds what was looked up in two generations, of which the older is
// dropped when the younger is full, so that memory is bounded: about 120 bytes
// each. The keys are hashes of the paths by a seed that nobody knows.
type shard struct {
	mu         sync.Mutex
	young, old map[uint64]stat
}

const shardLen = 2048 // so 131,072 in all, which take 16 MB

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
// ago than keep.
func (s *Stats) of(dir string, now, since int64) stat {
	key := maphash.String(s.seed, dir)
	sh := &s.shards[key%uint64(len(s.shards))]
	sh.mu.Lock()
	st, ok := sh.young[key]
	if !ok {
		st, ok = sh.old[key]
	}
	sh.mu.Unlock()
	if ok && st.at >= since && now-st.at < int64(keep) {
		return st
	}
	at := s.since(s.now())
	known := &st
	if !ok {
		known = nil
	}
	st, ok = s.lookers.ask(dir, known) // system calls: not under the lock
	st.at = at
	if !ok {
		return st
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(sh.young) >= shardLen || sh.young == nil {
		sh.young, sh.old = make(map[uint64]stat, shardLen/4), sh.young
	}
	sh.young[key] = st
	return st
}

// above returns the directory that the one at a clean absolute path is in: of
// "/a" that is "", of "" and of "/" nothing.
func above(dir string) (up string, ok bool) {
	i := strings.LastIndexByte(dir, '/')
	if i < 0 || len(dir) == 1 {
		return "", false
	}
	return dir[:i], true
}
