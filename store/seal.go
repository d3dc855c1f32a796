package store

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

// castagnoli is the table of CRC32C, which processors compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal returns payload behind the checksum of key and payload. bbolt protects
// only its meta pages. Since the checksum includes the key, a value under the
// wrong key does not match either.
func seal(key, payload []byte) []byte {
	b := make([]byte, 4, 4+len(payload))
	binary.LittleEndian.PutUint32(b, sealSum(key, payload))
	return append(b, payload...)
}

// unseal returns the payload of val, which it aliases, or ErrCorrupt.
func unseal(key, val []byte) ([]byte, error) {
	if len(val) < 4 || binary.LittleEndian.Uint32(val) != sealSum(key, val[4:]) {
		return nil, ErrCorrupt
	}
	return val[4:], nil
}

// sealSum is the CRC32C of key followed by payload.
func sealSum(key, payload []byte) uint32 {
	t := castagnoli
	return crc32.Update(crc32.Checksum(key, t), t, payload)
}

// sealJSON is seal of v encoded as JSON.
func sealJSON(key []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("store: encode value: %w", err)
	}
	return seal(key, b), nil
}

// unsealJSON is the inverse of sealJSON.
func unsealJSON(key, val []byte, v any) error {
	b, err := unseal(key, val)
	if err == nil && json.Unmarshal(b, v) != nil {
		err = ErrCorrupt
	}
	return err
}
