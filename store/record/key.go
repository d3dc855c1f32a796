package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// ErrKeyTooLong is returned when a directory's path within its volume is too long for a
// key.
var ErrKeyTooLong = errors.New("store: path too long for a key")

// MaxRawKey is the maximum length in bytes of a key in the database, which is bbolt's limit.
const MaxRawKey = 32768

// MaxKey is the maximum length of a Key in bytes. The keys of its chunks, which are up to
// two separators and a name of 255 bytes longer, must fit into MaxRawKey too.
const MaxKey = MaxRawKey - 2 - 255

// Volume is the number of a volume. Numbers are never reused.
type Volume uint16

// Key identifies a directory: the number of its volume, two bytes big-endian, then for each
// component of its path within the volume a 0x00 and the component. The key of the volume's
// root is the bare number.
//
// Keys therefore sort in path order, a directory before its contents, and a subtree is one
// range: the directory D and everything in it is [D, D‖0x01). A chunk of a listing that is
// too large for one record has the key D‖0x00‖0x00‖first name. Since no component is empty,
// chunks sort between D and its first child.
//
// A Key is never modified after it was made, and may be shared.
type Key []byte

// MakeKey returns the key of the directory at the path rel within volume v. rel is "" for the
// root, else clean and without a slash at either end, such as "usr/lib".
func MakeKey(v Volume, rel string) Key {
	n := 2
	if rel != "" {
		n += 1 + len(rel)
	}
	k := make(Key, 2, n)
	binary.BigEndian.PutUint16(k, uint16(v))
	if rel == "" {
		return k
	}
	k = append(k, 0)
	for rel != "" {
		name, rest, more := strings.Cut(rel, "/")
		k = append(k, name...)
		if more {
			k = append(k, 0)
		}
		rel = rest
	}
	return k
}

// Valid returns ErrKeyTooLong if k cannot be stored.
func (k Key) Valid() error {
	if len(k) > MaxKey {
		return ErrKeyTooLong
	}
	return nil
}

// Volume returns the number of the volume.
func (k Key) Volume() Volume { return Volume(binary.BigEndian.Uint16(k)) }

// IsRoot reports whether k is the root of its volume.
func (k Key) IsRoot() bool { return len(k) == 2 }

// Rel returns the path within the volume, "" for its root.
func (k Key) Rel() string { return string(k.AppendRel(nil)) }

// AppendRel appends the path within the volume to dst.
func (k Key) AppendRel(dst []byte) []byte {
	if len(k) <= 3 {
		return dst
	}
	n := len(dst)
	dst = append(dst, k[3:]...)
	for p := dst[n:]; ; {
		i := bytes.IndexByte(p, 0)
		if i < 0 {
			return dst
		}
		p[i] = '/'
		p = p[i+1:]
	}
}

// Depth returns the number of components: 0 for the volume's root.
func (k Key) Depth() int { return bytes.Count(k[2:], []byte{0}) }

// Child returns the key of the directory name in k.
func (k Key) Child(name string) Key {
	c := make(Key, 0, len(k)+1+len(name))
	return k.AppendChild(c, name)
}

// AppendChild appends the key of the directory name in k to dst.
func (k Key) AppendChild(dst []byte, name string) []byte {
	dst = append(dst, k...)
	dst = append(dst, 0)
	return append(dst, name...)
}

// Parent returns the directory that contains k and the name of k in it; ok is false for a
// volume's root. The parent's key aliases k.
func (k Key) Parent() (dir Key, name string, ok bool) {
	i := bytes.LastIndexByte(k[2:], 0)
	if i < 0 {
		return nil, "", false
	}
	i += 2
	return k[:i:i], string(k[i+1:]), true
}

// Chunk returns the key of the chunk of k's listing whose first name is first.
func (k Key) Chunk(first string) Key {
	c := make(Key, 0, len(k)+2+len(first))
	c = append(c, k...)
	c = append(c, 0, 0)
	return append(c, first...)
}

// ChunksEnd returns the end of the range of the chunks of k's listing, which is also the
// first possible key of a child. The range begins at k.Chunk("").
func (k Key) ChunksEnd() Key {
	return append(k[:len(k):len(k)], 0, 1)
}

// SplitChunk splits a raw key of the listings bucket into the directory's key and, if raw is
// the key of a chunk, the chunk's first name. dir aliases raw.
func SplitChunk(raw []byte) (dir Key, first string, isChunk bool) {
	i := len(raw) - 1
	for i >= 2 && raw[i] != 0 {
		i--
	}
	if i < 3 || raw[i-1] != 0 {
		return raw, "", false
	}
	return Key(raw[: i-1 : i-1]), string(raw[i+1:]), true
}

// SubtreeEnd returns the end of the range of k and everything below it.
func (k Key) SubtreeEnd() Key {
	return append(k[:len(k):len(k)], 1)
}

// Within reports whether k is top or is below it.
func (k Key) Within(top Key) bool {
	return bytes.HasPrefix(k, top) && (len(k) == len(top) || k[len(top)] == 0)
}

// Compare orders keys as the database does.
func (k Key) Compare(l Key) int { return bytes.Compare(k, l) }

// Equal reports whether k and l identify the same directory.
func (k Key) Equal(l Key) bool { return bytes.Equal(k, l) }

// String returns the volume's number, a colon and the path, for messages.
func (k Key) String() string {
	if len(k) < 2 {
		return "?"
	}
	b := strconv.AppendUint(nil, uint64(k.Volume()), 10)
	b = append(b, ":/"...)
	return string(k.AppendRel(b))
}
