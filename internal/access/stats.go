package access

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"indexd/listing"
)

// MaxAge is how old what an answer is made of may be: so long who was let in may
// still see what is closed by now.
const MaxAge = time.Second

// keep is how long a look is good for, and again what was made of it.
const keep = MaxAge / 2

// Stats are what directories are like now, for all callers. What they say is
// looked up again after half of MaxAge. It may be used by any number of goroutines.
type Stats struct {
	shards [32]shard
	seed   maphash.Seed
	epoch  atomic.Uint64
	look   func(dir string) stat // the system's, or a test's
	now    func() time.Time
}

// shard holds what was looked up in two generations, of which the older is
// dropped when the younger is full, so that memory is bounded: about 250 bytes
// and the path for each.
type shard struct {
	mu         sync.Mutex
	young, old map[string]stat
}

const shardLen = 1024 // so 65,536 in all

// stat is what one look at a directory said.
type stat struct {
	perms
	ino   uint64
	ctime listing.Time
	err   error // why it could not be looked at; the rest is zero
	at    time.Time
	epoch uint64
}

// NewStats returns an empty one.
func NewStats() *Stats {
	return &Stats{seed: maphash.MakeSeed(), look: look, now: time.Now}
}

// Forget makes all that was looked up before it was called be looked up again,
// for an answer that is to be true after a barrier.
func (s *Stats) Forget() { s.epoch.Add(1) }

func (s *Stats) of(dir string) stat {
	epoch, now := s.epoch.Load(), s.now()
	sh := &s.shards[maphash.String(s.seed, dir)%uint64(len(s.shards))]
	sh.mu.Lock()
	st, ok := sh.young[dir]
	if !ok {
		st, ok = sh.old[dir]
	}
	sh.mu.Unlock()
	if ok && st.epoch >= epoch && now.Sub(st.at) < keep {
		return st
	}
	st = s.look(dir) // a system call: not under the lock
	st.at, st.epoch = now, epoch
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(sh.young) >= shardLen || sh.young == nil {
		sh.young, sh.old = make(map[string]stat, shardLen/4), sh.young
	}
	sh.young[dir] = st
	return st
}

// look asks the kernel. A symbolic link is no directory; one in the path above
// would be caught there, since every component is looked at by itself.
func look(dir string) (st stat) {
	var sx unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT,
		unix.STATX_TYPE|unix.STATX_MODE|unix.STATX_UID|unix.STATX_GID|unix.STATX_INO|unix.STATX_CTIME, &sx)
	if err == nil && sx.Mode&unix.S_IFMT != unix.S_IFDIR {
		err = unix.ENOTDIR
	}
	if err != nil {
		return stat{err: err}
	}
	st.mode, st.uid, st.gid = uint32(sx.Mode), sx.Uid, sx.Gid
	st.ino, st.ctime = sx.Ino, listing.Time{Sec: sx.Ctime.Sec, Nsec: sx.Ctime.Nsec}
	if st.mode&0o070 != 0 {
		st.acl, st.err = readACL(dir)
	}
	return st
}

// readACL returns the ACL of a directory, nil where it has none.
func readACL(dir string) ([]byte, error) {
	var buf [1024]byte
	for b := buf[:]; ; {
		n, err := unix.Lgetxattr(dir, "system.posix_acl_access", b)
		switch err {
		case nil:
			return append([]byte(nil), b[:n]...), nil
		case unix.ENODATA, unix.EOPNOTSUPP, unix.ENOSYS:
			return nil, nil
		case unix.ERANGE:
			b = make([]byte, 64<<10) // XATTR_SIZE_MAX
			continue
		}
		return nil, err
	}
}
