// Package listing defines the unit of all data in indexd: what one directory contained at
// one moment. The walker creates listings, the store keeps them and queries read them.
// This package is the vocabulary they share; it imports none of them.
package listing

import "time"

// Type is the type of a file, with the numbers of d_type in getdents64(2).
type Type uint8

// The file types of Linux.
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

// letters are those of find(1), in the order of Type.
const letters = "?pc?d?b?f?l?s???"

// Letter returns the type as find(1) and command-line flags write it: f d l s p b c, or
// '?'.
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

// Time is a file time in nanoseconds. Unlike an int64 of nanoseconds it holds every time
// that a file system can: ext4 reaches the year 2446 and xfs 2486. The zero value means
// unknown.
type Time struct {
	Sec  int64
	Nsec uint32 // 0..999,999,999
}

// IsZero reports whether t is unknown.
func (t Time) IsZero() bool { return t == Time{} }

// Compare returns -1 if t is before u, 0 if they are equal, and 1 otherwise.
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

// Stat is what statx(2) returns for one file.
type Stat struct {
	Ino    uint64
	Size   int64 // in bytes; for a symbolic link, the length of its target
	Blocks int64 // allocated, in units of 512 bytes
	Mtime  Time
	Ctime  Time
	Btime  Time   // birth; zero if the file system records none
	Mode   uint32 // permission bits and S_IFMT type bits
	UID    uint32
	GID    uint32
	Nlink  uint32
}

// Type returns the type of the file.
func (s *Stat) Type() Type { return TypeOf(s.Mode) }

// Entry is one name in a directory. If statx failed for a name returned by getdents64,
// Stat holds only the type (in the S_IFMT bits of Mode) and StatErrno the error. An entry
// that vanished in between is left out instead.
type Entry struct {
	Name string // bytes as returned by the kernel: any except '/' and NUL
	Stat
	StatErrno uint16
}

// Listing is the contents of one directory, or one part of a very large one. A Listing
// passed to a callback, including its entries and their names, belongs to the caller and
// is valid until the callback returns. Clone it to keep it.
type Listing struct {
	// Stamp orders listings. It is taken from one counter when the directory has been
	// opened.
	Stamp uint64
	// Dir is the stat of the directory, from before its first entry was read, so that a
	// later change shows in its mtime or ctime.
	Dir Stat
	// NoACL means that the directory has no POSIX ACL beyond its mode bits, and that
	// setting one would change Dir.Ctime. false means unknown.
	NoACL bool
	// Dev is the device of the directory, major<<32|minor. MountID is its mount
	// (STATX_MNT_ID, as in /proc/self/mountinfo), or 0 if unknown.
	Dev, MountID uint64
	// Entries are sorted bytewise by name, without duplicates.
	Entries []Entry
	// First and Last are both set for the listing of a whole directory. The parts of a
	// large one come in name order. A part stands for every name after the last name of
	// the previous part, up to and including its own last name, or, with Last set, to
	// the end.
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
