// Package listing holds the one unit of everything in indexd: what one
// directory contained at one moment. The walker makes listings, the store
// keeps them and queries read them; this package is the vocabulary they share
// and knows none of them.
package listing

import "time"

// Type is a file's type, numbered as d_type of getdents64(2) numbers it.
type Type uint8

// The types that Linux knows.
const (
	Unknown     Type = 0
	FIFO        Type = 1
	CharDevice  Type = 2
	Dir         Type = 4
	BlockDevice Type = 6
	Regular     Type = 8
	Symlink     Type = 10
	Socket      Type = 12
)

// TypeOf returns the type in the S_IFMT bits of mode.
func TypeOf(mode uint32) Type { return Type(mode >> 12 & 15) }

// letters are find(1)'s, in the order of Type.
const letters = "?pc?d?b?f?l?s???"

// Letter is the type as find(1) and CLI flags write it: f d l s p b c, or '?'.
func (t Type) Letter() byte { return letters[t&15] }

// TypeOfLetter is the inverse of Letter; ok is false for any other byte.
func TypeOfLetter(c byte) (t Type, ok bool) {
	for i := range len(letters) {
		if letters[i] == c && c != '?' {
			return Type(i), true
		}
	}
	return Unknown, false
}

// Time is a file time to the nanosecond. Unlike an int64 of nanoseconds it
// holds every time that a file system can: ext4 reaches the year 2446 and
// xfs 2486. The zero value stands for "not known".
type Time struct {
	Sec  int64
	Nsec uint32 // 0..999,999,999
}

// IsZero reports whether t is not known.
func (t Time) IsZero() bool { return t == Time{} }

// Compare orders times; -1 where t is older than u.
func (t Time) Compare(u Time) int {
	switch {
	case t.Sec < u.Sec, t.Sec == u.Sec && t.Nsec < u.Nsec:
		return -1
	case t == u:
		return 0
	}
	return 1
}

// Std converts t for formatting.
func (t Time) Std() time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// FromStd converts a time of the standard library.
func FromStd(t time.Time) Time { return Time{t.Unix(), uint32(t.Nanosecond())} }

// Stat is what statx(2) says about one file.
type Stat struct {
	Ino    uint64
	Size   int64 // bytes; of a symbolic link, the length of its target
	Blocks int64 // allocated, in units of 512 bytes
	Mtime  Time
	Ctime  Time
	Btime  Time   // birth; zero where the file system keeps none
	Mode   uint32 // permission bits and S_IFMT type bits
	UID    uint32
	GID    uint32
	Nlink  uint32
}

// Type of the file that was stat'ed.
func (s *Stat) Type() Type { return TypeOf(s.Mode) }

// Entry is one name in a directory. Where statx failed on a name that
// getdents64 gave, Stat holds only the type (in the S_IFMT bits of Mode) and
// StatErrno says why; an entry that vanished in between is left out instead.
type Entry struct {
	Name string // bytes, as the kernel gave them: no '/', no NUL, any other
	Stat
	StatErrno uint16
}

// Listing is what one directory held, or, for a directory of very many
// entries, one Part of it. A Listing that is handed to a callback, its entries
// and their names included, is the giver's: it is valid until the callback
// returns. Clone what is to be kept.
type Listing struct {
	// Stamp orders listings: taken when the directory was opened, from one
	// counter for all.
	Stamp uint64
	// Dir is the directory's own state by fstat before its first entry was
	// read, so that a later change shows in its mtime or ctime.
	Dir Stat
	// NoACL: as Dir is, the directory has no POSIX ACL but what its mode says, and
	// could not get one and keep Dir.Ctime. false: that is not known.
	NoACL bool
	// Dev and MountID are the directory's own: major<<32|minor, and the mount
	// (STATX_MNT_ID, as in /proc/self/mountinfo; 0 where unknown).
	Dev, MountID uint64
	// Entries are sorted bytewise by name, no name twice.
	Entries []Entry
	// A whole directory is one listing with First and Last set. Of a large one
	// the parts come in the order of names, one after another: a part stands
	// for every name after the last name of the part before it, up to and
	// including its own last name, or, in the Last part, up to the end.
	First, Last bool
}

// Clone returns a copy that shares nothing with l.
func (l *Listing) Clone() *Listing {
	c := *l
	n := 0
	for i := range l.Entries {
		n += len(l.Entries[i].Name)
	}
	names := make([]byte, 0, n)
	for i := range l.Entries {
		names = append(names, l.Entries[i].Name...)
	}
	all := string(names)
	c.Entries = make([]Entry, len(l.Entries))
	for i := range l.Entries {
		c.Entries[i] = l.Entries[i]
		w := len(l.Entries[i].Name)
		c.Entries[i].Name, all = all[:w], all[w:]
	}
	return &c
}
