package store

import "errors"

// countZones checks a block of zones by itself.
func (c *checker) countZones(k, v []byte) error {
	rows, err := readZones(k, v)
	if err != nil {
		c.damaged = true
		return err
	}
	if c.sn.b.docs.Get(k) == nil {
		return errors.New("it is of no docs")
	}
	for i := range blockLen {
		if rows.row(i) != noZone {
			c.rows++
		}
	}
	return nil
}

// zone checks what zones says of a record.
func (c *checker) zone(where string, h *Header) {
	want := rowOf(h, &h.Agg)
	if want != noZone {
		c.zoned++
	}
	n := h.Doc / blockLen
	if c.zones == nil || c.block != n {
		key := blockKey(h.Doc)
		c.zones, _ = readZones(key, c.sn.b.zones.Get(key))
		c.block = n
	}
	if c.zones == nil {
		c.found(badDocs, nil)
		return // said already
	}
	if got := c.zones.row(int(h.Doc % blockLen)); got != want {
		c.problem(where, "its zone is %014x, its entries come to %014x", uint64(got), uint64(want))
		c.found(badDocs, nil)
	}
}
