// Package codec has the pieces that all of the database's encodings are made of:
// varints, and values behind a checksum.
package codec

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrCorrupt is returned when stored bytes are not what was stored: a checksum
// does not match, or a count leads beyond the end.
var ErrCorrupt = errors.New("store: corrupt record")

// Castagnoli is the table of CRC32C, which processors compute in hardware.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AddChecksum returns payload behind the checksum of key and payload. bbolt protects
// only its meta pages. Since the checksum includes the key, a value under the
// wrong key does not match either.
func AddChecksum(key, payload []byte) []byte {
	b := make([]byte, 4, 4+len(payload))
	binary.LittleEndian.PutUint32(b, Checksum(key, payload))
	return append(b, payload...)
}

// VerifyChecksum returns the payload of val, which it aliases, or ErrCorrupt.
func VerifyChecksum(key, val []byte) ([]byte, error) {
	if len(val) < 4 || binary.LittleEndian.Uint32(val) != Checksum(key, val[4:]) {
		return nil, ErrCorrupt
	}
	return val[4:], nil
}

// Checksum is the CRC32C of key followed by payload.
func Checksum(key, payload []byte) uint32 {
	t := Castagnoli
	return crc32.Update(crc32.Checksum(key, t), t, payload)
}

// EncodeJSON is AddChecksum of v encoded as JSON.
func EncodeJSON(key []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("store: encode value: %w", err)
	}
	return AddChecksum(key, b), nil
}

// DecodeJSON is the inverse of EncodeJSON. It returns ErrCorrupt for what does
// not match its checksum or is not JSON of v.
func DecodeJSON(key, val []byte, v any) error {
	b, err := VerifyChecksum(key, val)
	if err == nil && json.Unmarshal(b, v) != nil {
		err = ErrCorrupt
	}
	return err
}
