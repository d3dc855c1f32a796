package exec

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"strings"

	"indexd/internal/query"
	"indexd/listing"
	"indexd/store/record"
)

// order makes of rows keys that compare bytewise as the rows are to come. A key
// ends with the row's path, by which ties are ordered and from which it is
// read again:
//
//	default   the directory's pathKey, 00 00, name
//	path      the pathKey
//	name      name, the pathKey
//	ext       extension in lower case, the pathKey
//	size      8 bytes, the pathKey
//	mtime     12 bytes, the pathKey
//
// A pathKey begins with 00, which is in no name. With reverse, keys that compare
// greater come first.
type order struct {
	sort    query.Sort
	reverse bool
}

// appendKey appends the key of an entry of dir, a key in s, to dst.
func (o order) appendKey(dst []byte, s *keyRange, dir record.Key, e *listing.Entry) []byte {
	switch o.sort {
	case query.SortName:
		dst = append(dst, e.Name...)
	case query.SortExt:
		dst = append(dst, extension(e.Name)...)
	case query.SortSize:
		dst = appendSize(dst, e.Size)
	case query.SortMtime:
		dst = appendTime(dst, e.Mtime)
	}
	dst = s.appendPathKey(dst, dir)
	dst = append(dst, 0)
	if o.sort == query.SortDefault {
		dst = append(dst, 0)
	}
	return append(dst, e.Name...)
}

// path returns the directory's pathKey and the name in key, which they alias.
func (o order) path(key []byte) (dir, name []byte) {
	from := 0
	switch o.sort {
	case query.SortName, query.SortExt:
		from = bytes.IndexByte(key, 0)
	case query.SortSize:
		from = 8
	case query.SortMtime:
		from = 12
	}
	end := bytes.LastIndexByte(key, 0)
	name = key[end+1:]
	if o.sort == query.SortDefault {
		end--
	}
	return key[from:end], name
}

// cmp compares keys; negative: a comes first.
func (o order) cmp(a, b []byte) int {
	if o.reverse {
		a, b = b, a
	}
	return bytes.Compare(a, b)
}

// cmpPrefix compares what prefixOf gave of keys; 0: the keys are to be compared.
func (o order) cmpPrefix(a, b uint64) int {
	if o.reverse {
		a, b = b, a
	}
	return cmp.Compare(a, b)
}

// needsMeta reports whether a key needs more of an entry than its name.
func (o order) needsMeta() bool { return o.sort == query.SortSize || o.sort == query.SortMtime }

// wants reports whether an entry that agg describes can come before the row of
// that key.
func (o order) wants(agg *record.Aggregates, last []byte) bool {
	var best [12]byte
	b := best[:0]
	switch {
	case o.sort == query.SortSize && o.reverse:
		b = appendSize(b, agg.MinSize)
	case o.sort == query.SortSize:
		b = appendSize(b, agg.MaxSize)
	case o.sort == query.SortMtime && o.reverse:
		b = appendTime(b, agg.Oldest)
	case o.sort == query.SortMtime:
		b = appendTime(b, agg.Newest)
	}
	return o.cmp(b, last[:len(b)]) <= 0
}

const sign = 1 << 63

// appendSize appends eight bytes that come first for the largest size.
func appendSize(dst []byte, size int64) []byte {
	return binary.BigEndian.AppendUint64(dst, ^(uint64(size) ^ sign))
}

// appendTime appends twelve bytes that come first for the newest time.
func appendTime(dst []byte, t listing.Time) []byte {
	dst = binary.BigEndian.AppendUint64(dst, ^(uint64(t.Sec) ^ sign))
	return binary.BigEndian.AppendUint32(dst, ^t.Nsec)
}

// extension returns what follows the last dot of a name, where that is not its
// first byte, in lower case; "" where there is none.
func extension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i <= 0 {
		return ""
	}
	return strings.ToLower(name[i+1:])
}
