package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"indexd/store/internal/codec"
	"indexd/store/record"
)

// ErrVolumes is returned when no volume number is left.
var ErrVolumes = errors.New("store: no volume number is left")

// VolumeInfo describes a volume.
type VolumeInfo struct {
	Volume record.Volume
	// Identity identifies the file system wherever it is mounted: its UUID and the root within
	// it, or what the caller uses instead.
	Identity string
	// MountPoint is where the volume's root is mounted, or was last: an absolute clean path of
	// any bytes.
	MountPoint string
	FSType     string
	Source     string // as in mountinfo
	Offline    bool   // not mounted now; its records are kept
	// Counts cover what is stored. Those of a subtree that is gone decrease as it is purged.
	// PutVolume ignores them.
	Counts Counts
}

// Counts are the sums of a volume's records.
type Counts struct {
	Dirs    uint64 // directories with a record, including unreadable ones
	Entries uint64
	Bytes   int64 // sum of the entries' sizes
	Blocks  int64 // sum of their blocks of 512 bytes
}

func (c *Counts) encode(key []byte) []byte {
	var b []byte
	for _, v := range [...]uint64{c.Dirs, c.Entries, uint64(c.Bytes), uint64(c.Blocks)} {
		b = binary.AppendUvarint(b, v)
	}
	return codec.AddChecksum(key, b)
}

func decodeCounts(key, val []byte) (Counts, error) {
	b, err := codec.VerifyChecksum(key, val)
	if err != nil {
		return Counts{}, err
	}
	r := codec.Reader{B: b}
	c := Counts{r.Uvarint(), r.Uvarint(), int64(r.Uvarint()), int64(r.Uvarint())}
	if r.Bad {
		return Counts{}, codec.ErrCorrupt
	}
	return c, nil
}

// volumeJSON is a VolumeInfo as it is stored. Its paths are base64, because JSON strings cannot
// hold arbitrary bytes.
type volumeJSON struct {
	Identity, MountPoint, Source []byte
	FSType                       string
	Offline                      bool
}

func decodeVolume(key, val []byte) (j volumeJSON, err error) {
	return j, codec.DecodeJSON(key, val, &j)
}

func volumeKey(v record.Volume) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }

// PutVolume stores v. If v.Volume is 0 the volume is new and gets a number that was never used
// before. The number is returned.
func (t *Tx) PutVolume(v VolumeInfo) (record.Volume, error) {
	if v.Volume == 0 {
		if t.state.volume >= math.MaxUint16 {
			return 0, ErrVolumes
		}
		t.state.volume++
		v.Volume = record.Volume(t.state.volume)
	} else if uint64(v.Volume) > t.state.volume {
		return 0, fmt.Errorf("store: volume %d was never given", v.Volume)
	}
	key := volumeKey(v.Volume)
	val, err := codec.EncodeJSON(key, volumeJSON{
		Identity: []byte(v.Identity), MountPoint: []byte(v.MountPoint), Source: []byte(v.Source),
		FSType: v.FSType, Offline: v.Offline,
	})
	if err != nil {
		return 0, err
	}
	return v.Volume, t.do(func() error {
		t.snap.forgetMounts()
		return t.tx.Put(t.b.volumes, key, val)
	})
}

// Volumes returns all volumes in order of their numbers.
func (sn *Snap) Volumes() ([]VolumeInfo, error) {
	var all []VolumeInfo
	c := sn.b.volumes.Cursor()
	for k, val := c.First(); k != nil; k, val = c.Next() {
		v, err := sn.volume(k, val)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Volume returns one volume; ok is false if there is none of that number.
func (sn *Snap) Volume(v record.Volume) (VolumeInfo, bool, error) {
	key := volumeKey(v)
	val := sn.b.volumes.Get(key)
	if val == nil {
		return VolumeInfo{}, false, nil
	}
	info, err := sn.volume(key, val)
	return info, err == nil, err
}

func (sn *Snap) volume(key, val []byte) (VolumeInfo, error) {
	j, err := decodeVolume(key, val)
	if err != nil {
		return VolumeInfo{}, fmt.Errorf("volume %x: %w", key, err)
	}
	v := VolumeInfo{
		Volume: record.Volume(binary.BigEndian.Uint16(key)), Identity: string(j.Identity),
		MountPoint: string(j.MountPoint), FSType: j.FSType, Source: string(j.Source), Offline: j.Offline,
	}
	if c := sn.b.counts.Get(key); c != nil {
		if v.Counts, err = decodeCounts(key, c); err != nil {
			return VolumeInfo{}, fmt.Errorf("counts of volume %x: %w", key, err)
		}
	}
	return v, nil
}

func (c *Counts) add(h *record.Header) {
	c.Dirs++
	c.Entries += h.Agg.Count
	c.Bytes += h.Agg.Bytes
	c.Blocks += h.Agg.Blocks
}

func (c *Counts) subtract(h *record.Header) {
	c.Dirs--
	c.Entries -= h.Agg.Count
	c.Bytes -= h.Agg.Bytes
	c.Blocks -= h.Agg.Blocks
}
