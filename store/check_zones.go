package store

import (
	"errors"

	"indexd/store/record"
)

// countZones checks a block of zones by itself.
func (c *checker) countZones(k, v []byte) error {
	rows, err := record.DecodeZones(k, v)
	if err != nil {
		c.damaged = true
		return err
	}
	if c.sn.b.docs.Get(k) == nil {
		return errors.New("it is of no docs")
	}
	for i := range blockLen {
		if rows.Row(i) != record.NoZone {
			c.rows++
		}
	}
	return nil
}

// zone checks what zones says of a record.
func (c *checker) zone(where string, h *record.Header) {
	want := record.ZoneRowOf(h, &h.Agg)
	if want != record.NoZone {
		c.zoned++
	}
	n := h.Doc / blockLen
	if c.zones == nil || c.block != n {
		key := blockKey(h.Doc)
		c.zones, _ = record.DecodeZones(key, c.sn.b.zones.Get(key))
		c.block = n
	}
	if c.zones == nil {
		return // said already
	}
	if got := c.zones.Row(int(h.Doc % blockLen)); got != want {
		c.problem(where, "its zone is %014x, its entries come to %014x", uint64(got), uint64(want))
	}
}
