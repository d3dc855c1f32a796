package exec

import (
	"encoding/binary"
	"unsafe"

	"indexd/listing"
)

// rows holds rows on their way from a read transaction to the sink, one after another,
//
//	tag, [length and pathKey of the directory, unless it is that of the row before], length and name
//
// and the stats of those that have one.
type rows struct {
	b     []byte
	stats []stat
	n     int    // rows
	dir   []byte // pathKey of the last row's directory
	any   bool   // dir is of a row in b

	atDir  pathKey // of the current row of each
	atName string
}

type stat struct {
	listing.Stat
	errno uint16
}

const (
	tagDir    = 1 << iota // the directory's pathKey comes
	tagStat               // there is a stat
	tagNoMeta             // the type is all that is known
)

// add appends a row for an entry of dir, a key in s without its volume. withStat says that the
// rest of e is needed too.
func (r *rows) add(s *keyRange, dir []byte, e *listing.Entry, noMeta, withStat bool) {
	var tag byte
	if noMeta {
		tag |= tagNoMeta
	}
	if withStat {
		tag |= tagStat
		r.stats = append(r.stats, stat{e.Stat, e.StatErrno})
	}
	m := len(s.mount)
	same := r.any && len(r.dir) == m+len(dir) && string(r.dir[:m]) == string(s.mount) && string(r.dir[m:]) == string(dir)
	if !same {
		tag |= tagDir
		r.dir = append(append(r.dir[:0], s.mount...), dir...)
		r.any = true
	}
	r.b = append(r.b, tag)
	if !same {
		r.b = appendBytes(r.b, r.dir)
	}
	r.b = binary.AppendUvarint(r.b, uint64(len(e.Name)))
	r.b = append(r.b, e.Name...)
	r.n++
}

// size is the memory in bytes that the rows take.
func (r *rows) size() int { return len(r.b) + len(r.stats)*int(unsafe.Sizeof(stat{})) }

// cutTo drops the rows that were added since r was equal to was.
func (r *rows) cutTo(was *rows) {
	r.b, r.stats, r.n, r.any = r.b[:len(was.b)], r.stats[:len(was.stats)], was.n, false
}

func (r *rows) reset() {
	if cap(r.b) > 1<<20 {
		r.b = nil // unusual: thousands of bytes of path in every row
	}
	r.b, r.stats, r.n, r.any = r.b[:0], r.stats[:0], 0, false
}

// each gives the rows in order, each valid during the call.
func (r *rows) each(yield func(dir []byte, e *listing.Entry, noMeta bool) error) error {
	var e listing.Entry
	var dir []byte
	d := decoder{r.b}
	stats := r.stats
	for len(d.b) > 0 {
		tag := d.byte()
		if tag&tagDir != 0 {
			r.atDir = d.bytes()
			dir = appendPath(dir[:0], r.atDir)
		}
		e.Name = d.string()
		r.atName = e.Name
		if tag&tagStat != 0 {
			e.Stat, e.StatErrno = stats[0].Stat, stats[0].errno
			stats = stats[1:]
		}
		if err := yield(dir, &e, tag&tagNoMeta != 0); err != nil {
			return err
		}
	}
	return nil
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// appendStat appends what an entry has besides its name, except ctime and birth time.
func appendStat(dst []byte, e *listing.Entry) []byte {
	dst = binary.AppendUvarint(dst, e.Ino)
	dst = binary.AppendVarint(dst, e.Size)
	dst = binary.AppendVarint(dst, e.Blocks)
	dst = binary.AppendVarint(dst, e.Mtime.Sec)
	for _, v := range [...]uint32{e.Mtime.Nsec, e.Mode, e.UID, e.GID, e.Nlink, uint32(e.StatErrno)} {
		dst = binary.AppendUvarint(dst, uint64(v))
	}
	return dst
}

// decoder reads what this process encoded, so it does not check it.
type decoder struct{ b []byte }

func (d *decoder) byte() byte {
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uvarint() uint64 {
	if c := d.b[0]; c < 0x80 {
		d.b = d.b[1:]
		return uint64(c)
	}
	v, n := binary.Uvarint(d.b)
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

// string returns the bytes as a string that aliases them.
func (d *decoder) string() string { return text(d.bytes()) }

func (d *decoder) stat(e *listing.Entry) {
	e.Ino = d.uvarint()
	e.Size, e.Blocks, e.Mtime.Sec = d.varint(), d.varint(), d.varint()
	for _, v := range [...]*uint32{&e.Mtime.Nsec, &e.Mode, &e.UID, &e.GID, &e.Nlink} {
		*v = uint32(d.uvarint())
	}
	e.StatErrno = uint16(d.uvarint())
}
