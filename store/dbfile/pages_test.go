package dbfile

import (
	"encoding/binary"
	"testing"
)

// FuzzMeta reads any bytes as the beginning of a file: no panic.
func FuzzMeta(f *testing.F) {
	f.Add(append(binary.NativeEndian.AppendUint32(make([]byte, pageHeader), boltMagic), make([]byte, 200)...))
	f.Fuzz(func(_ *testing.T, head []byte) { readMeta(head) })
}
