package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// ErrKeyTooLong is returned when a directory's path within its volume is too
// long for a key.
var ErrKeyTooLong = errors.New("store: path too long for a key")

// maxKey is the longest key that bbolt takes.
const MaxRawKey = 32768

// MaxKey is the longest Key in bytes for which the keys of all possible chunks
// fit into bbolt too: two separators and a name of 255 bytes less.
const MaxKey = MaxRawKey - 2 - 255

// Volume is a volume's number, given once and never used again.
type Volume uint16

// Key names a directory: its volume's number, two bytes big-endian, then for
// each component of its path within the volume a 0x00 and the component. The
// volume's root is the bare number.
//
// So keys come in path order, a directory before what is in it, and a subtree
// is one range: the directory D itself and all else in [D, D‖0x01). A chunk of
// a listing too big for one record has the key D‖0x00‖0x00‖first name: no
// component is empty, so chunks stand between D and its first child.
//
// A Key is never changed after it was made and may be shared.
type Key []byte

// MakeKey returns the key of the directory rel of volume v: "" for the root,
// else clean and without a slash at either end, as "usr/lib".
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

// Valid returns ErrKeyTooLong where k cannot be stored, else nil.
func (k Key) Valid() error {
	if len(k) > MaxKey {
		return ErrKeyTooLong
	}
	return nil
}

// Volume returns the number of k's volume.
func (k Key) Volume() Volume { return Volume(binary.BigEndian.Uint16(k)) }

// IsRoot reports whether k is its volume's root.
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

// Parent returns the directory that k is in and k's name there; ok is false
// for a volume's root. The parent's key is the beginning of k itself.
func (k Key) Parent() (dir Key, name string, ok bool) {
	i := bytes.LastIndexByte(k[2:], 0)
	if i < 0 {
		return nil, "", false
	}
	i += 2
	return k[:i:i], string(k[i+1:]), true
}

// Chunk returns the key of the chunk of k's listing that begins with the name
// first.
func (k Key) Chunk(first string) Key {
	c := make(Key, 0, len(k)+2+len(first))
	c = append(c, k...)
	c = append(c, 0, 0)
	return append(c, first...)
}

// ChunksEnd returns the first possible key after all chunks of k's listing,
// which is that of its first possible child; the chunks begin at k.Chunk("").
func (k Key) ChunksEnd() Key {
	return append(k[:len(k):len(k)], 0, 1)
}

// SplitChunk takes a raw key of the listings bucket apart: the directory's key,
// and, where raw is a chunk's, the chunk's first name. dir aliases raw.
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

// SubtreeEnd returns the first possible key after k and all below it.
func (k Key) SubtreeEnd() Key {
	return append(k[:len(k):len(k)], 1)
}

// Within reports whether k is top or below it.
func (k Key) Within(top Key) bool {
	return bytes.HasPrefix(k, top) && (len(k) == len(top) || k[len(top)] == 0)
}

// Compare orders keys as the database does.
func (k Key) Compare(l Key) int { return bytes.Compare(k, l) }

// Equal reports whether k and l are the same directory.
func (k Key) Equal(l Key) bool { return bytes.Equal(k, l) }

// String is for logs and messages: the volume's number, a colon, the path.
func (k Key) String() string {
	if len(k) < 2 {
		return "?"
	}
	b := strconv.AppendUint(nil, uint64(k.Volume()), 10)
	b = append(b, ":/"...)
	return string(k.AppendRel(b))
}
