package record

import (
	"encoding/binary"
	"time"

	"indexd/listing"
	"indexd/store/internal/codec"
)

// The header of a record has these fields, in this order. A field marked with a flag is present
// if the flag is not set; with hasErr, hasDir and hasBtime, if it is set. noACL belongs to the
// fields of hasDir.
//
//	flags     uvarint
//	mtime     (hasDir) of the directory, zigzag of seconds since epoch
//	count     uvarint; and unless it is 0:
//	          dirs (noDirs); least size, uvarint; if count is above 1, the largest
//	          size less the least, and the sum of the sizes less the largest;
//	          zigzag of the blocks less usualBlocks; zigzag of the newest mtime
//	          less the directory's; newest mtime less oldest
//	doc       uvarint
//	stamp     zigzag of the difference from doc
//	listed    (neverListed) zigzag of ms since epoch
//	errno     (hasErr) uvarint; its time, zigzag of ms since epoch
//	dir       (hasDir) inode; mode (modeUsual); uid, gid (idsRoot); links
//	          (linksUsual); size, blocks (oneBlock); nsec of mtime (wholeSecond),
//	          4 bytes; ctime (ctimeIsMtime): zigzag of listed less it in seconds,
//	          nsec 4 bytes; btime (hasBtime): zigzag of ctime less it in seconds,
//	          nsec 4 bytes
//
// On a system of 36,477 directories a header takes 33 bytes.
const (
	noDirs = 1 << iota
	hasDir
	neverListed
	trustTimes
	hasBtime
	modeUsual
	idsRoot
	linksUsual
	oneBlock
	wholeSecond
	ctimeIsMtime
	isChunked
	inProgress
	hasErr
	noACL
)

const (
	usualDirMode = 0o040755
	blockSize    = 4096
	blockBlocks  = blockSize / 512

	// epoch is 2025-01-01 in seconds. Times within four years of it take four bytes.
	epoch = 1735689600
)

// append encodes h, with agg in place of its own aggregates.
func (h *Header) append(dst []byte, agg *Aggregates) []byte {
	d := &h.Dir
	var flags uint64
	for i, yes := range [...]bool{
		agg.Dirs == 0,
		*d != listing.Stat{},
		h.Listed.IsZero(),
		h.TrustTimes,
		!d.Btime.IsZero(),
		d.Mode == usualDirMode,
		d.UID == 0 && d.GID == 0,
		uint64(d.Nlink) == 2+agg.Dirs,
		d.Size == blockSize && d.Blocks == blockBlocks,
		d.Mtime.Nsec == 0,
		d.Ctime == d.Mtime,
		h.Chunked,
		h.InProgress,
		h.Errno != 0 || !h.ErrAt.IsZero(),
		h.NoACL,
	} {
		if yes {
			flags |= 1 << i
		}
	}
	if flags&hasDir == 0 {
		flags &^= hasBtime | modeUsual | idsRoot | linksUsual | oneBlock | wholeSecond | ctimeIsMtime | noACL
	}
	u := func(v uint64) { dst = binary.AppendUvarint(dst, v) }
	z := func(v int64) { dst = binary.AppendUvarint(dst, codec.Zigzag(v)) }

	u(flags)
	if flags&hasDir != 0 {
		z(d.Mtime.Sec - epoch)
	}
	u(agg.Count)
	if agg.Count > 0 {
		if flags&noDirs == 0 {
			u(agg.Dirs)
		}
		u(uint64(agg.MinSize))
		if agg.Count > 1 {
			u(uint64(agg.MaxSize) - uint64(agg.MinSize))
			u(uint64(agg.Bytes) - uint64(agg.MaxSize))
		}
		z(agg.Blocks - agg.usualBlocks())
		z(agg.Newest.Sec - d.Mtime.Sec)
		u(uint64(agg.Newest.Sec) - uint64(agg.Oldest.Sec))
	}
	u(h.Doc)
	z(int64(h.Stamp - h.Doc))
	listed := int64(epoch)
	if flags&neverListed == 0 {
		ms := h.Listed.UnixMilli()
		listed = ms / 1000
		z(ms - epoch*1000)
	}
	if flags&hasErr != 0 {
		u(uint64(h.Errno))
		z(h.ErrAt.UnixMilli() - epoch*1000)
	}
	if flags&hasDir == 0 {
		return dst
	}
	u(d.Ino)
	if flags&modeUsual == 0 {
		u(uint64(d.Mode))
	}
	if flags&idsRoot == 0 {
		u(uint64(d.UID))
		u(uint64(d.GID))
	}
	if flags&linksUsual == 0 {
		u(uint64(d.Nlink))
	}
	if flags&oneBlock == 0 {
		u(uint64(d.Size))
		u(uint64(d.Blocks))
	}
	if flags&wholeSecond == 0 {
		dst = binary.LittleEndian.AppendUint32(dst, d.Mtime.Nsec)
	}
	if flags&ctimeIsMtime == 0 {
		z(listed - d.Ctime.Sec)
		dst = binary.LittleEndian.AppendUint32(dst, d.Ctime.Nsec)
	}
	if flags&hasBtime != 0 {
		z(d.Ctime.Sec - d.Btime.Sec)
		dst = binary.LittleEndian.AppendUint32(dst, d.Btime.Nsec)
	}
	return dst
}

// decodeAgg decodes the first part of a header: the flags, the seconds of the directory's mtime
// and the aggregates.
func decodeAgg(r *codec.Reader, agg *Aggregates) (flags uint64, mtime int64) {
	flags = r.Uvarint()
	if flags >= noACL<<1 {
		r.Fail()
	}
	if flags&hasDir != 0 {
		mtime = epoch + r.Varint()
	}
	*agg = Aggregates{Count: r.Uvarint()}
	if agg.Count == 0 {
		return flags, mtime
	}
	if flags&noDirs == 0 {
		agg.Dirs = r.Uvarint()
	}
	agg.MinSize = int64(r.Uvarint())
	agg.MaxSize, agg.Bytes = agg.MinSize, agg.MinSize
	if agg.Count > 1 {
		agg.MaxSize += int64(r.Uvarint())
		agg.Bytes = agg.MaxSize + int64(r.Uvarint())
	}
	agg.Blocks = agg.usualBlocks() + r.Varint()
	agg.Newest.Sec = mtime + r.Varint()
	agg.Oldest.Sec = agg.Newest.Sec - int64(r.Uvarint())
	return flags, mtime
}

// skipToDoc skips what decodeAgg decodes.
func skipToDoc(r *codec.Reader) {
	flags := r.Uvarint()
	if flags&hasDir != 0 {
		r.SkipUvarints(1)
	}
	skipAgg(r, flags)
}

// skipAgg skips the aggregates.
func skipAgg(r *codec.Reader, flags uint64) {
	count := r.Uvarint()
	if count == 0 {
		return
	}
	n := 4 // least size, blocks, newest, oldest
	if flags&noDirs == 0 {
		n++
	}
	if count > 1 {
		n += 2
	}
	r.SkipUvarints(n)
}

// decode decodes a header.
func (h *Header) decode(r *codec.Reader) {
	*h = Header{}
	d := &h.Dir
	flags, mtime := decodeAgg(r, &h.Agg)
	h.TrustTimes = flags&trustTimes != 0
	h.Chunked = flags&isChunked != 0
	h.InProgress = flags&inProgress != 0
	h.Doc = r.Uvarint()
	h.Stamp = h.Doc + uint64(r.Varint())
	listed := int64(epoch)
	if flags&neverListed == 0 {
		ms := epoch*1000 + r.Varint()
		listed = ms / 1000
		h.Listed = time.UnixMilli(ms)
	}
	if flags&hasErr != 0 {
		h.Errno = uint16(r.Uvarint())
		h.ErrAt = time.UnixMilli(epoch*1000 + r.Varint())
	}
	if flags&hasDir == 0 {
		return
	}
	h.NoACL = flags&noACL != 0
	d.Ino = r.Uvarint()
	d.Mode = usualDirMode
	if flags&modeUsual == 0 {
		d.Mode = uint32(r.Uvarint())
	}
	if flags&idsRoot == 0 {
		d.UID = uint32(r.Uvarint())
		d.GID = uint32(r.Uvarint())
	}
	d.Nlink = uint32(2 + h.Agg.Dirs)
	if flags&linksUsual == 0 {
		d.Nlink = uint32(r.Uvarint())
	}
	d.Size, d.Blocks = blockSize, blockBlocks
	if flags&oneBlock == 0 {
		d.Size = int64(r.Uvarint())
		d.Blocks = int64(r.Uvarint())
	}
	d.Mtime.Sec = mtime
	if flags&wholeSecond == 0 {
		d.Mtime.Nsec = r.Uint32()
	}
	d.Ctime = d.Mtime
	if flags&ctimeIsMtime == 0 {
		d.Ctime.Sec = listed - r.Varint()
		d.Ctime.Nsec = r.Uint32()
	}
	if flags&hasBtime != 0 {
		d.Btime.Sec = d.Ctime.Sec - r.Varint()
		d.Btime.Nsec = r.Uint32()
	}
}

// readOrigin decodes an Origin and skips the other fields.
func readOrigin(r *codec.Reader, o *Origin) {
	flags := r.Uvarint()
	var mtime int64
	if flags&hasDir != 0 {
		mtime = epoch + r.Varint()
	}
	skipAgg(r, flags)
	o.Doc = r.Uvarint()
	o.Stamp = o.Doc + uint64(r.Varint())
	listed := int64(epoch)
	if flags&neverListed == 0 {
		listed = (epoch*1000 + r.Varint()) / 1000
	}
	if flags&hasErr != 0 {
		o.Failed = uint16(r.Uvarint()) != 0
		r.SkipUvarints(1)
	}
	if flags&hasDir == 0 {
		return
	}
	o.NoACL = flags&noACL != 0
	o.Ino = r.Uvarint()
	n := 0
	if flags&modeUsual == 0 {
		n++
	}
	if flags&idsRoot == 0 {
		n += 2
	}
	if flags&linksUsual == 0 {
		n++
	}
	if flags&oneBlock == 0 {
		n += 2
	}
	r.SkipUvarints(n)
	o.Ctime.Sec = mtime
	if flags&wholeSecond == 0 {
		o.Ctime.Nsec = r.Uint32()
	}
	if flags&ctimeIsMtime == 0 {
		o.Ctime.Sec = listed - r.Varint()
		o.Ctime.Nsec = r.Uint32()
	}
}

// usualBlocks estimates what files of these sizes take: half a block each more than their
// bytes.
func (a *Aggregates) usualBlocks() int64 {
	return int64(uint64(a.Bytes)/512 + a.Count*(blockBlocks/2))
}
