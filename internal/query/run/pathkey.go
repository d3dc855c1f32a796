package run

import (
	"bytes"
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
	for p := dst[n:]; ; {
		i := bytes.IndexByte(p, 0)
		if i < 0 {
			return dst
		}
		p[i] = '/'
		p = p[i+1:]
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
