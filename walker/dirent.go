package walker

import (
	"bytes"
	"encoding/binary"

	"indexd/listing"
)

// A linux_dirent64 is
//
//	u64 d_ino · s64 d_off · u16 d_reclen · u8 d_type · d_name, ended by NUL
//
// in the byte order of the machine.
const (
	direntReclen = 16
	direntType   = 18
	direntName   = 19
)

// addDirents adds the names in a buffer filled by getdents64, except for "." and ".." and
// names that no file system should return. It reports false if there is no room for more.
func addDirents(ns *names, buf []byte) bool {
	for len(buf) >= direntName {
		n := int(binary.NativeEndian.Uint16(buf[direntReclen:]))
		if n < direntName || n > len(buf) {
			return true // malformed; the kernel never does this
		}
		s := buf[direntName:n]
		if end := bytes.IndexByte(s, 0); end >= 0 {
			s = s[:end]
		}
		if validName(s) && !ns.add(s, listing.Type(buf[direntType])) {
			return false
		}
		buf = buf[n:]
	}
	return true
}

// validName reports whether s, which contains no NUL, can be the name of an entry.
func validName(s []byte) bool {
	return len(s) > 0 && string(s) != "." && string(s) != ".." && bytes.IndexByte(s, '/') < 0
}
