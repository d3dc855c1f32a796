package postings

import "github.com/RoaringBitmap/roaring/v2"

// Changes gathers what a write transaction does to the set of unindexed docs. Most changes
// come one after the other, and each set is written once. The zero value is empty.
type Changes struct {
	unindexed *roaring.Bitmap
	deleted   *roaring.Bitmap
	last      uint64 // the doc that became unindexed last; 0: none
}

// Last returns the doc that was given to Add last, 0 if there is none.
func (c *Changes) Last() uint64 { return c.last }

func (c *Changes) init() {
	if c.unindexed == nil {
		c.unindexed, c.deleted = roaring.New(), roaring.New()
	}
}

// Add makes a doc unindexed: it is new, or has gained a name.
func (c *Changes) Add(doc uint64) {
	if doc > MaxDoc || doc == c.last {
		return
	}
	c.init()
	c.last = doc
	c.unindexed.Add(uint32(doc))
	c.deleted.Remove(uint32(doc))
}

// Delete notes that a doc is deleted.
func (c *Changes) Delete(doc uint64) {
	if doc > MaxDoc {
		return
	}
	c.init()
	if doc == c.last {
		c.last = 0
	}
	c.unindexed.Remove(uint32(doc))
	c.deleted.Add(uint32(doc))
}

// Flush writes what was gathered.
func (c *Changes) Flush(w Writer) error {
	f := *c
	*c = Changes{}
	if f.unindexed == nil {
		return nil
	}
	err := changeSet(w, unindexedDocs, f.unindexed, f.deleted)
	if err == nil {
		err = changeSet(w, deletedDocs, f.deleted, f.unindexed)
	}
	if err == nil && anySet(w, unreadableDocs) {
		f.unindexed.Or(f.deleted)
		err = changeSet(w, unreadableDocs, nil, f.unindexed)
	}
	return err
}
