package exec

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// A pathKey is an absolute path as keys of the store are written: 0x00 in place
// of each slash, and nothing for "/". Comparing them bytewise is path order, a
// directory before what is in it; the subtree of D is D and [D‖0x00, D‖0x01).
type pathKey []byte

func toPathKey(path string) pathKey {
	if path == "/" {
		return pathKey{}
	}
	return pathKey(strings.ReplaceAll(path, "/", "\x00"))
}

// appendPath appends the path that pk stands for to dst.
func appendPath(dst []byte, pk []byte) []byte {
	if len(pk) == 0 {
		return append(dst, '/')
	}
	n := len(dst)
	dst = append(dst, pk...)
	slashes(dst[n:])
	return dst
}

// slashes replaces each 00 by a slash, eight bytes at a time.
func slashes(p []byte) {
	const low7 = 0x7f7f7f7f7f7f7f7f
	for len(p) >= 8 {
		x := binary.LittleEndian.Uint64(p)
		if zeros := ^((x&low7 + low7) | x | low7); zeros != 0 { // the high bit of each that is 00
			binary.LittleEndian.PutUint64(p, x|zeros>>7*'/')
		}
		p = p[8:]
	}
	for i := range p {
		if p[i] == 0 {
			p[i] = '/'
		}
	}
}

func (pk pathKey) path() string { return string(appendPath(nil, pk)) }

// within reports whether pk is top or below it.
func (pk pathKey) within(top pathKey) bool {
	return bytes.HasPrefix(pk, top) && (len(pk) == len(top) || pk[len(top)] == 0)
}

// depth is the number of components.
func (pk pathKey) depth() int { return bytes.Count(pk, []byte{0}) }

// child returns the first component of pk below top, which it is within.
func (pk pathKey) child(top pathKey) []byte {
	rest := pk[len(top)+1:]
	if i := bytes.IndexByte(rest, 0); i >= 0 {
		return rest[:i]
	}
	return rest
}
