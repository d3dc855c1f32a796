package store

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"

	"indexd/store/internal/codec"
	"indexd/store/record"
)

// blockLen is the number of docs in one value of the docs bucket. A value for each doc would
// cost 20 bytes more for bbolt's key and element alone; a block is about a kilobyte, which is
// what changing one doc writes.
const blockLen = record.BlockLen

// maxDepth is an upper bound of the number of components in a key, each of which takes two
// bytes or more.
const maxDepth = record.MaxRawKey / 2

type docKind uint8

const (
	docNone  docKind = iota
	docChild         // a directory called name in the directory of doc parent
	docTop           // a directory whose whole key is name
	docChunk         // a chunk, called name, of the directory of doc parent
)

// docEnt is what the docs bucket says about one doc id.
type docEnt struct {
	kind   docKind
	parent uint64
	name   string
}

// docBlock is one value of the docs bucket as a transaction changes it.
type docBlock struct {
	ents  [blockLen]docEnt
	size  int // bytes of all names
	dirty bool
}

func blockKey(id uint64) []byte {
	n := id / blockLen
	return []byte{byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

// append encodes the block: a bit for each doc that is in use, as 64 bits; then for each of
// these its kind and the length of its name in one number, zigzag of its id less its parent's
// (unless it is a top), and its name.
func (b *docBlock) append(dst []byte, first uint64) []byte {
	var there uint64
	for i := range b.ents {
		if b.ents[i].kind != docNone {
			there |= 1 << i
		}
	}
	dst = binary.LittleEndian.AppendUint64(dst, there)
	for i := range b.ents {
		e := &b.ents[i]
		if e.kind == docNone {
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(len(e.name))<<2|uint64(e.kind))
		if e.kind != docTop {
			dst = binary.AppendUvarint(dst, codec.Zigzag(int64(first+uint64(i)-e.parent)))
		}
		dst = append(dst, e.name...)
	}
	return dst
}

// docReader iterates over the docs of an encoded block.
type docReader struct {
	r     codec.Reader
	there uint64
	first uint64
}

func readBlock(key, val []byte) (docReader, error) {
	b, err := codec.VerifyChecksum(key, val)
	if err != nil || len(b) < 8 || len(key) != 5 {
		return docReader{}, codec.ErrCorrupt
	}
	n := uint64(key[0])<<32 | uint64(binary.BigEndian.Uint32(key[1:]))
	return docReader{codec.Reader{B: b, Pos: 8}, binary.LittleEndian.Uint64(b), n * blockLen}, nil
}

// next returns the number in the block of the next doc, and what the block says about it. name
// aliases the block. ok is false after the last doc, or if the block is damaged (r.Bad).
func (d *docReader) next() (i int, kind docKind, parent uint64, name []byte, ok bool) {
	if d.there == 0 || d.r.Bad {
		return 0, 0, 0, nil, false
	}
	i = bits.TrailingZeros64(d.there)
	d.there &= d.there - 1
	n := d.r.Uvarint()
	kind, n = docKind(n&3), n>>2
	if kind != docTop {
		parent = d.first + uint64(i) - uint64(codec.Unzigzag(d.r.Uvarint()))
	}
	if kind == docNone || d.r.Bad || n > uint64(d.r.Left()) {
		d.r.Fail()
		return 0, 0, 0, nil, false
	}
	d.r.Skip(int(n))
	name = d.r.B[d.r.Pos-int(n) : d.r.Pos]
	return i, kind, parent, name, true
}

// doc returns what the docs bucket says about an id, docNone if it is not in use. name aliases
// the database.
func (sn *Snap) doc(id uint64) (kind docKind, parent uint64, name []byte, err error) {
	key := blockKey(id)
	val := sn.b.docs.Get(key)
	if val == nil {
		return docNone, 0, nil, nil
	}
	d, err := readBlock(key, val)
	for err == nil {
		i, kind, parent, name, ok := d.next()
		switch {
		case !ok && d.r.Bad:
			return docNone, 0, nil, sn.s.corrupt(bucketDocs, key)
		case !ok || i > int(id%blockLen):
			return docNone, 0, nil, nil
		case i == int(id%blockLen):
			return kind, parent, name, nil
		}
	}
	return docNone, 0, nil, sn.s.corrupt(bucketDocs, key)
}

// Doc returns the directory that a doc id stands for and, if it stands for a chunk, the name in
// the chunk's key. ok is false if it stands for nothing. The record may be gone.
func (sn *Snap) Doc(id uint64) (dir record.Key, first string, ok bool, err error) {
	kind, parent, name, err := sn.doc(id)
	if err != nil || kind == docNone {
		return nil, "", false, err
	}
	if kind == docChunk {
		first = string(name)
		if kind, parent, name, err = sn.doc(parent); err != nil {
			return nil, "", false, err
		}
	}
	var path [][]byte // the names, last component first
	for kind == docChild && len(path) < maxDepth {
		path = append(path, name)
		if kind, parent, name, err = sn.doc(parent); err != nil {
			return nil, "", false, err
		}
	}
	if kind != docTop {
		return nil, "", false, nil // something above was purged
	}
	slices.Reverse(path)
	dir = record.Key(bytes.Clone(name))
	for _, n := range path {
		dir = append(append(dir, 0), n...)
	}
	return dir, first, true, nil
}
