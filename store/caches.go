package store

import (
	"slices"
	"strings"

	"indexd/listing"
	"indexd/store/record"
)

// parentCache caches what the records of some directories say about their children, so that
// applying a child does not read its parent each time. It belongs to the writer. It is bounded:
// it has two generations, of which the older is dropped when the younger is full. It is cleared
// when a subtree is dropped.
type parentCache struct {
	young, old map[string]*parentInfo
	weight     int // of young
}

// parentInfo is what a record says about the directories among the names from lo up to hi,
// exclusively; hi "" is the end.
type parentInfo struct {
	doc    uint64
	lo, hi string
	dirs   []string
	ctimes []listing.Time // of dirs, as the listing had them; nil if not known
}

const parentWeight = 1 << 20

func (p *parentInfo) covers(name string) bool {
	return name >= p.lo && (p.hi == "" || name < p.hi)
}

func (p *parentInfo) has(name string) bool {
	_, ok := slices.BinarySearch(p.dirs, name)
	return ok
}

func (c *parentCache) get(key record.Key) *parentInfo {
	if p := c.young[string(key)]; p != nil {
		return p
	}
	return c.old[string(key)]
}

// ctime returns a child's ctime, zero if it is not known.
func (p *parentInfo) ctime(name string) listing.Time {
	if i, ok := slices.BinarySearch(p.dirs, name); ok && p.ctimes != nil {
		return p.ctimes[i]
	}
	return listing.Time{}
}

// setCtime records a child's new ctime.
func (p *parentInfo) setCtime(name string, ctime listing.Time) {
	if i, ok := slices.BinarySearch(p.dirs, name); ok && p.ctimes != nil {
		p.ctimes[i] = ctime
	}
}

// put adds a copy of p and its strings, which may alias anything; it takes ownership of ctimes.
func (c *parentCache) put(key record.Key, p parentInfo) *parentInfo {
	if c.young == nil || c.weight > parentWeight {
		c.young, c.old, c.weight = make(map[string]*parentInfo), c.young, 0
	}
	n := 0
	for _, d := range p.dirs {
		n += len(d)
	}
	var b strings.Builder
	b.Grow(n)
	for _, d := range p.dirs {
		b.WriteString(d)
	}
	all := b.String()
	dirs := make([]string, len(p.dirs))
	for i, d := range p.dirs {
		dirs[i], all = all[:len(d)], all[len(d):]
	}
	p.dirs, p.lo, p.hi = dirs, strings.Clone(p.lo), strings.Clone(p.hi)
	c.young[string(key)] = &p
	c.weight += 200 + len(key) + n + 32*len(dirs)
	return &p
}

// forget removes what is known of key.
func (c *parentCache) forget(key record.Key) {
	delete(c.young, string(key))
	delete(c.old, string(key))
}

func (c *parentCache) clear() { *c = parentCache{} }

// seenMap remembers the stamps of listings that were found unchanged, so that nothing was
// written, to recognize older listings that come late. It only has to reach as far back as
// listings can overtake each other, so it is bounded like parentCache. It belongs to the
// writer.
type seenMap struct {
	young, old map[string]uint64
	newest     uint64
}

const seenLen = 1024

func (m *seenMap) put(key record.Key, stamp uint64) {
	if m.young == nil || len(m.young) >= seenLen {
		m.young, m.old = make(map[string]uint64, seenLen), m.young
	}
	m.young[string(key)] = stamp
	m.newest = max(m.newest, stamp)
}

func (m *seenMap) get(key record.Key) uint64 {
	return max(m.young[string(key)], m.old[string(key)])
}

func (m *seenMap) clear() { *m = seenMap{} }

// since reports whether key was found unchanged by a listing after stamp.
func (m *seenMap) since(key record.Key, stamp uint64) bool {
	return m.newest > stamp && m.get(key) > stamp
}

// writeSeen writes the stamps above stamp that were seen at and below key to the records, so
// that they survive a tombstone with that stamp.
func (t *Tx) writeSeen(key record.Key, stamp uint64) error {
	if t.s.seen.newest <= stamp {
		return nil
	}
	for _, m := range [...]map[string]uint64{t.s.seen.old, t.s.seen.young} {
		for k, at := range m {
			if at <= stamp || !record.Key(k).Within(key) {
				continue
			}
			st := t.stored(record.Key(k))
			if !st.alive || st.rec.Header().Stamp >= at {
				continue
			}
			h, body := *st.rec.Header(), st.rec.Body()
			h.Stamp = at
			if err := t.putRecord([]byte(k), &h, &body); err != nil {
				return err
			}
		}
	}
	return nil
}
