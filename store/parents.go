package store

import (
	"slices"
	"strings"

	"indexd/listing"
	"indexd/store/record"
)

// parentCache holds of some directories, by key, what their records say of
// their children, so that applying the children does not read the parent each
// time. It is the writer's, and bounded: of two generations the older is
// forgotten when the younger is full. It is cleared when a subtree dies.
type parentCache struct {
	young, old map[string]*parentInfo
	weight     int // of young
}

// parentInfo is what a record says of the directories among the names from lo
// up to but without hi; hi "" is the end.
type parentInfo struct {
	doc    uint64
	lo, hi string
	dirs   []string
	ctimes []listing.Time // of dirs as the listing had them; nil: not known
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

// ctime returns a child's, zero where it is not known.
func (p *parentInfo) ctime(name string) listing.Time {
	if i, ok := slices.BinarySearch(p.dirs, name); ok && p.ctimes != nil {
		return p.ctimes[i]
	}
	return listing.Time{}
}

// setCtime notes that the record has another one now.
func (p *parentInfo) setCtime(name string, ctime listing.Time) {
	if i, ok := slices.BinarySearch(p.dirs, name); ok && p.ctimes != nil {
		p.ctimes[i] = ctime
	}
}

// put keeps a copy of p and its texts, which may alias anything; ctimes is the
// cache's then.
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

// forget is called when what is known of key is no longer so.
func (c *parentCache) forget(key record.Key) {
	delete(c.young, string(key))
	delete(c.old, string(key))
}

func (c *parentCache) clear() { *c = parentCache{} }
