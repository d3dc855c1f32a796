package store

import (
	"fmt"

	"indexd/store/record"
)

// countZones counts the rows of a block of zones that say that there are entries.
func (c *checker) countZones(k, v []byte) error {
	rows, err := record.DecodeZones(k, v)
	if err != nil { // which was reported
		c.damaged = true
		return nil
	}
	if c.sn.b.docs.Get(k) == nil {
		c.problem(fmt.Sprintf("zones %q", k), "it is of no docs")
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
