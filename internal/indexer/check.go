package indexer

import (
	"context"
	"fmt"
	"strings"

	"indexd/internal/rules"
	"indexd/listing"
	"indexd/store"
	"indexd/walker"
)

// Difference between the index and the file system.
type Difference struct {
	Path string
	// Change is what has to happen to the index: Created, Removed or Modified.
	Change string
	Fields []string // of Modified: which differ
	Detail string   // the same with old and new values
}

// The values of Difference.Change.
const (
	Created  = "created"
	Removed  = "removed"
	Modified = "modified"
)

// CheckResult sums a check up.
type CheckResult struct {
	Dirs, Entries uint64 // compared
	Differences   uint64
	Repaired      uint64 // directories listed again
	Unreadable    uint64 // directories that cannot be compared
}

// Check lists top and all below it anew, compares with what is committed, and
// calls report with each difference that a second look confirms. With repair,
// what differs is listed again for the index too. It works on the caller's
// goroutine, one directory at a time, so that it never hogs the machine.
// ErrNotIndexed is returned for a top that is not a directory in the index.
func (x *Indexer) Check(ctx context.Context, top string, repair bool, report func(Difference) error) (CheckResult, error) {
	if x.rootOf(top) == nil {
		return CheckResult{}, ErrNotIndexed
	}
	if err := x.present(top); err != nil {
		return CheckResult{}, err
	}
	c := &checker{x: x, report: report, where: x.places.Load(), rules: x.rules.Load()}
	if repair {
		c.repair = newCrew(x, walker.Asked, crewSize)
	}
	err := c.walk(ctx, top)
	if err == nil && repair {
		err = c.repair.wait(ctx)
	}
	return c.result, err
}

type checker struct {
	x      *Indexer
	report func(Difference) error
	repair *crew
	where  *places
	rules  *rules.Set
	result CheckResult
}

// walk compares directories depth first, from a stack.
func (c *checker) walk(ctx context.Context, top string) error {
	stack := []string{top}
	for len(stack) > 0 {
		dir := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		s := &sight{task: &task{x: c.x}, dir: dir, rules: c.rules, mounts: c.where.inside[dir]}
		diffs, err := c.compare(ctx, dir, s)
		if len(diffs) > 0 && err == nil {
			// It may have changed between the look at the one and the other, or
			// be on its way to the store.
			if err := c.x.writer.flush(ctx); err != nil {
				return err
			}
			s.children = nil
			diffs, err = c.compare(ctx, dir, s)
		}
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			c.result.Unreadable++
			continue
		}
		for _, d := range diffs {
			c.result.Differences++
			if err := c.report(d); err != nil {
				return err
			}
		}
		if len(diffs) > 0 && c.repair != nil {
			c.result.Repaired++
			if err := c.repair.list(ctx, dir); err != nil {
				return err
			}
		}
		for i := len(s.children) - 1; i >= 0; i-- {
			stack = append(stack, join(dir, s.children[i]))
		}
		c.result.Dirs++
	}
	return nil
}

// compare lists dir and merges what it has with what is stored. Child
// directories are left in s.
func (c *checker) compare(ctx context.Context, dir string, s *sight) (diffs []Difference, err error) {
	key, _, err := c.where.key(dir)
	if err != nil {
		return nil, err
	}
	after, cloned := "", 0
	err = walker.List(ctx, dir, func(l *listing.Listing) error {
		return c.x.st.View(func(sn *store.Snap) error {
			stored := readEntries(sn, key, after)
			have := stored.next()
			for i := range l.Entries {
				e := &l.Entries[i]
				if !s.keep(e) {
					continue
				}
				c.result.Entries++
				if e.Type() == listing.Dir {
					s.descend(e)
				}
				for ; have != nil && have.Name < e.Name; have = stored.next() {
					diffs = append(diffs, Difference{Path: join(dir, have.Name), Change: Removed})
				}
				if have == nil || have.Name != e.Name {
					diffs = append(diffs, Difference{Path: join(dir, e.Name), Change: Created})
					continue
				}
				if fields, detail := changes(have, e); len(fields) > 0 {
					diffs = append(diffs, Difference{join(dir, e.Name), Modified, fields, detail})
				}
				have = stored.next()
			}
			if n := len(l.Entries); n > 0 {
				after = strings.Clone(l.Entries[n-1].Name)
			}
			for ; have != nil && (l.Last || have.Name <= after); have = stored.next() {
				diffs = append(diffs, Difference{Path: join(dir, have.Name), Change: Removed})
			}
			for ; cloned < len(s.children); cloned++ {
				s.children[cloned] = strings.Clone(s.children[cloned])
			}
			return stored.err
		})
	})
	return diffs, err
}

// changes names what differs between a stored entry and one just seen.
func changes(have, e *listing.Entry) (fields []string, detail string) {
	var list []string
	add := func(field string, old, new any) {
		if old != new {
			fields = append(fields, field)
			list = append(list, fmt.Sprintf("%s %v → %v", field, old, new))
		}
	}
	add("type", string(have.Type().Letter()), string(e.Type().Letter()))
	add("inode", have.Ino, e.Ino)
	add("size", have.Size, e.Size)
	add("blocks", have.Blocks, e.Blocks)
	add("mtime", have.Mtime.Std().UTC(), e.Mtime.Std().UTC())
	add("mode", have.Mode&07777, e.Mode&07777)
	add("uid", have.UID, e.UID)
	add("gid", have.GID, e.GID)
	add("links", have.Nlink, e.Nlink)
	return fields, strings.Join(list, ", ")
}
