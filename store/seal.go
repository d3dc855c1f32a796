package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
)

// seal puts the checksum of key and payload before payload: bbolt guards only
// its meta pages, and with the key in it a value under the wrong key shows.
func seal(key, payload []byte) []byte {
	b := make([]byte, 4, 4+len(payload))
	binary.LittleEndian.PutUint32(b, sealSum(key, payload))
	return append(b, payload...)
}

// unseal returns the payload, which aliases val, or ErrCorrupt.
func unseal(key, val []byte) ([]byte, error) {
	if len(val) < 4 || binary.LittleEndian.Uint32(val) != sealSum(key, val[4:]) {
		return nil, ErrCorrupt
	}
	return val[4:], nil
}

func sealSum(key, payload []byte) uint32 {
	t := castagnoli()
	return crc32.Update(crc32.Checksum(key, t), t, payload)
}

func sealJSON(key []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("store: encode value: %w", err)
	}
	return seal(key, b), nil
}

func unsealJSON(key, val []byte, v any) error {
	b, err := unseal(key, val)
	if err == nil && json.Unmarshal(b, v) != nil {
		err = ErrCorrupt
	}
	return err
}
