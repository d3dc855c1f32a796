package record

import (
	"encoding/binary"

	"indexd/listing"
	"indexd/store/internal/codec"
)

// owner combines the mode (with type bits), user and group, of which one directory has few
// different combinations.
type owner struct {
	mode, uid, gid uint32
}

// Each distinct owner begins with a byte. Its low six bits are the mode, as an index in
// commonModes, or modeOther if the mode follows as uvarint. The high two bits are the ids:
const (
	idsSame  = 0 << 6 // those of the previous owner; for the first one, root's
	idsOne   = 1 << 6 // uid follows as uvarint, gid is the same number
	idsTwo   = 2 << 6 // uid and gid follow
	idsMask  = 3 << 6
	modeMask = 1<<6 - 1

	modeOther = modeMask
)

// commonModes is part of the format. Modes may be added at the end, up to 63.
var commonModes = [...]uint16{
	0o100644, 0o040755, 0o100755, 0o120777, 0o100664, 0o040775, 0o100600, 0o040700,
	0o100444, 0o100555, 0o100660, 0o100640, 0o100775, 0o100700, 0o100400, 0o100440,
	0o040750, 0o040770, 0o040555, 0o040711, 0o040777, 0o041777, 0o042755, 0o042775,
	0o100666, 0o100777, 0o104755, 0o102755, 0o100500, 0o100550, 0o040500, 0o040550,
	0o140755, 0o140777, 0o140666, 0o140600, 0o010644, 0o010600, 0o020660, 0o020666,
	0o020600, 0o020620, 0o060660, 0o060600, 0o100000, 0o040000, 0o120000,
}

func appendOwner(dst []byte, o, before owner) []byte {
	mode := byte(modeOther)
	for i, m := range commonModes {
		if uint32(m) == o.mode {
			mode = byte(i)
			break
		}
	}
	ids := byte(idsTwo)
	switch {
	case o.uid == before.uid && o.gid == before.gid:
		ids = idsSame
	case o.uid == o.gid:
		ids = idsOne
	}
	dst = append(dst, mode|ids)
	if mode == modeOther {
		dst = binary.AppendUvarint(dst, uint64(o.mode))
	}
	if ids != idsSame {
		dst = binary.AppendUvarint(dst, uint64(o.uid))
	}
	if ids == idsTwo {
		dst = binary.AppendUvarint(dst, uint64(o.gid))
	}
	return dst
}

func readOwner(r *codec.Reader, before owner) owner {
	o := before
	c := r.Byte()
	if m := c & modeMask; int(m) < len(commonModes) {
		o.mode = uint32(commonModes[m])
	} else if o.mode = uint32(r.Uvarint()); m != modeOther {
		r.Fail()
	}
	switch c & idsMask {
	case idsOne:
		o.uid = uint32(r.Uvarint())
		o.gid = o.uid
	case idsTwo:
		o.uid = uint32(r.Uvarint())
		o.gid = uint32(r.Uvarint())
	case idsMask:
		r.Fail()
	}
	return o
}

// owners are the distinct owners of a body, in order of first appearance, and the number of
// each entry's owner.
type owners struct {
	k    int32
	idx  int32 // offset of the entries' owner numbers, iw bits each
	iw   uint8
	dirs uint8 // bit i says that head[i] is the owner of directories
	head [ownersHead]owner
	more []owner // from number ownersHead on
}

// ownersHead is the number of owners that are kept without allocating: 99.9 % of listings have
// no more.
const ownersHead = 4

func (w *owners) parse(r *codec.Reader, n int, many bool) {
	*w = owners{k: 1}
	if many {
		w.k = r.Count(n-1) + 1
	}
	var o owner
	for i := range int(w.k) {
		o = readOwner(r, o)
		switch {
		case r.Bad:
			return
		case i >= ownersHead:
			w.more = append(w.more, o)
			continue
		}
		w.head[i] = o
		if listing.TypeOf(o.mode) == listing.Dir {
			w.dirs |= 1 << i
		}
	}
	w.iw = bitsFor(int(w.k))
	w.idx = r.Skip(packedLen(n, w.iw))
}

// get returns the owner of entry i.
func (w *owners) get(b []byte, i int) owner {
	return w.number(packedAt(b, int(w.idx), i, w.iw))
}

func (w *owners) number(j uint64) owner {
	if j < ownersHead {
		return w.head[j]
	}
	if j -= ownersHead; j < uint64(len(w.more)) {
		return w.more[j]
	}
	return owner{}
}

// dir reports whether entry i is a directory.
func (w *owners) dir(b []byte, i int) bool {
	j := packedAt(b, int(w.idx), i, w.iw)
	if j < ownersHead {
		return w.dirs>>j&1 != 0
	}
	return listing.TypeOf(w.number(j).mode) == listing.Dir
}
