package store

import "encoding/binary"

// mend counts anew what the records come to, and takes away the doc ids that
// none has. It is done at the end of a transaction that has replaced or deleted
// a record that was damaged, so that nobody knew what it had counted for. It
// reads all headers: 0.1 s for 600,000 directories.
func (t *Tx) mend() error {
	counts := make(map[Volume]*Counts)
	used := make([]uint64, t.state.nextDoc/64+1)
	c := t.b.listings.Cursor()
	var rec Record
	for raw, val := c.First(); raw != nil; raw, val = c.Next() {
		if rec.Decode(val) != nil || len(raw) < 2 {
			continue // it will be met some day, and this be done again
		}
		h := rec.Header()
		if h.Doc < t.state.nextDoc {
			used[h.Doc/64] |= 1 << (h.Doc % 64)
		}
		if dir, _, chunk := SplitChunk(raw); !chunk {
			n := counts[dir.Volume()]
			if n == nil {
				n = new(Counts)
				counts[dir.Volume()] = n
			}
			n.add(h)
		}
	}
	all := t.b.counts.Cursor()
	for key, _ := all.First(); key != nil; key, _ = all.Next() {
		if v := Key(key).Volume(); counts[v] == nil {
			counts[v] = new(Counts)
		}
	}
	t.counts = counts

	docs := uint64(0)
	var ids []uint64
	blocks := t.b.docs.Cursor()
	for key, val := blocks.First(); key != nil; key, val = blocks.Next() {
		d, err := readBlock(key, val)
		if err != nil {
			n := uint64(key[0])<<32 | uint64(binary.BigEndian.Uint32(key[1:]))
			ids = append(ids, n*blockLen) // loaded, it is empty, and written so
			continue
		}
		for {
			i, _, _, _, ok := d.next()
			if !ok {
				break
			}
			if id := d.first + uint64(i); id/64 < uint64(len(used)) && used[id/64]>>(id%64)&1 == 1 {
				docs++
			} else {
				ids = append(ids, id)
			}
		}
	}
	for _, id := range ids {
		t.setDoc(id, docEnt{})
		t.block(id).dirty = true
	}
	t.state.docs = docs
	return t.flushDocs()
}

func (c *Counts) add(h *Header) {
	c.Dirs++
	c.Entries += h.Agg.Count
	c.Bytes += h.Agg.Bytes
	c.Blocks += h.Agg.Blocks
}

func (c *Counts) subtract(h *Header) {
	c.Dirs--
	c.Entries -= h.Agg.Count
	c.Bytes -= h.Agg.Bytes
	c.Blocks -= h.Agg.Blocks
}
