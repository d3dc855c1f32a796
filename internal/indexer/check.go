package indexer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"indexd/internal/rules"
	"indexd/ipc/wire"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
	"indexd/walker"
)

// Inner reports whether a difference is about the index alone: a directory that
// nothing names, or a record that cannot be read.
func Inner(d *wire.Difference) bool {
	return d.Detail == unnamed || len(d.Fields) == 1 && d.Fields[0] == damagedField
}

// Check lists top and all below it anew, compares with what is committed once all
// that the watches told of is, and calls report with each difference that a
// second look, after all that they told of meanwhile, confirms. With repair, what
// differs is listed again for the index too. It works on the caller's goroutine,
// one directory at a time with idle I/O priority, and rests while others wait for
// the machine. now and then progress, which may be nil, is called with the result
// so far. ErrNotIndexed is returned for a top that is not a directory in the index.
// Where it met damage in the database, all of it is searched and mended behind it,
// repair or not: see Distrust.
func (x *Indexer) Check(ctx context.Context, top string, repair bool, report func(*wire.Difference) error, progress func(wire.CheckResult) error) (wire.CheckResult, error) {
	if x.rootOf(top) == nil {
		return wire.CheckResult{}, ErrNotIndexed
	}
	if err := x.caughtUp(ctx); err != nil {
		return wire.CheckResult{}, err
	}
	if err := x.present(top); err != nil {
		return wire.CheckResult{}, err
	}
	c := &checker{x: x, report: report, progress: progress, where: x.places.Load(), rules: x.rules.Load(), confirmed: time.Now()}
	if repair {
		c.repair = newCrew(x, walker.Asked, crewSize)
	}
	err := walker.AtIdlePriority(func() error { return c.walk(ctx, top) })
	if c.damaged { // not before: what is mended meanwhile would not be reported
		x.Distrust()
	}
	if err == nil && repair {
		err = c.repair.wait(ctx)
	}
	return c.result, err
}

type checker struct {
	x        *Indexer
	report   func(*wire.Difference) error
	progress func(wire.CheckResult) error
	repair   *crew
	where    *places
	rules    *rules.Set
	result   wire.CheckResult
	damaged  bool // a record was met that is

	suspects  []string      // directories in which something differed
	confirmed time.Time     // when the last were looked at again
	waited    time.Duration // for the barrier before that
}

// walk compares directories depth first, from a stack.
func (c *checker) walk(ctx context.Context, top string) error {
	stack := []string{top}
	begun := time.Now()
	for len(stack) > 0 {
		if worked := time.Since(begun); worked > paceSlice {
			if err := c.breathe(ctx, worked); err != nil {
				return err
			}
			begun = time.Now()
		}
		dir := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		diffs, children, err := c.look(ctx, dir)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			c.result.Errors++
			continue
		}
		for i := len(children) - 1; i >= 0; i-- {
			stack = append(stack, join(dir, children[i]))
		}
		c.result.Dirs++
		if len(diffs) > 0 {
			c.suspects = append(c.suspects, dir)
		}
		if n := len(c.suspects); n == suspectsMost || n > 0 && time.Since(c.confirmed) > max(time.Second, c.waited) {
			if err := c.confirm(ctx); err != nil {
				return err
			}
		}
	}
	return c.confirm(ctx)
}

// look compares a directory and returns its child directories too.
func (c *checker) look(ctx context.Context, dir string) ([]wire.Difference, []string, error) {
	s := &sight{task: &task{x: c.x}, dir: dir, rules: c.rules, mounts: c.where.inside[dir]}
	diffs, err := c.compare(ctx, dir, s)
	return diffs, s.children, err
}

// suspectsMost are the directories that are looked at again behind one barrier.
const suspectsMost = 256

// confirm looks again at the directories in which something differed: it may have
// changed between the look at the one and the other, or have been on its way to the
// store. One barrier does for many, since in a storm each takes long.
func (c *checker) confirm(ctx context.Context) error {
	if len(c.suspects) == 0 {
		return nil
	}
	begun := time.Now()
	if err := c.x.caughtUp(ctx); err != nil {
		return err
	}
	c.waited = time.Since(begun)
	entries := c.result.Entries // which have been counted
	for _, dir := range c.suspects {
		diffs, _, err := c.look(ctx, dir)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil { // now: it may have gone
			c.result.Dirs--
			c.result.Errors++
			continue
		}
		for _, d := range diffs {
			c.result.Differences++
			if err := c.report(&d); err != nil {
				return err
			}
		}
		if len(diffs) > 0 && c.repair != nil {
			c.result.Repaired++
			if err := c.mend(ctx, dir, diffs); err != nil {
				return err
			}
		}
	}
	c.result.Entries = entries
	c.suspects, c.confirmed = c.suspects[:0], time.Now()
	return nil
}

// mend has dir listed again, and what nothing names forgotten.
func (c *checker) mend(ctx context.Context, dir string, diffs []wire.Difference) error {
	for _, d := range diffs {
		if d.Detail != unnamed {
			continue
		}
		key, _, err := c.where.key(d.Path)
		if err == nil {
			err = c.x.writer.Update(ctx, func(tx *store.Tx) error { return tx.Drop(key, c.x.stamp()) })
		}
		if err != nil {
			return err
		}
	}
	return c.repair.list(ctx, dir)
}

// breathe tells how far it is and lets others go first after so long a time of
// work.
func (c *checker) breathe(ctx context.Context, worked time.Duration) error {
	if c.progress != nil {
		if err := c.progress(c.result); err != nil {
			return err
		}
	}
	return c.x.pace.yield(ctx, worked)
}

// compare lists dir and merges what it has with what is stored. Child
// directories are left in s.
func (c *checker) compare(ctx context.Context, dir string, s *sight) (diffs []wire.Difference, err error) {
	key, _, err := c.where.key(dir)
	if err != nil {
		return nil, err
	}
	after, cloned := "", 0
	var damage error
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
					diffs = append(diffs, wire.Difference{Path: join(dir, have.Name), Change: wire.DiffRemoved})
				}
				switch {
				case stored.err != nil: // there is no telling what is stored of it
				case have == nil || have.Name != e.Name:
					diffs = append(diffs, wire.Difference{Path: join(dir, e.Name), Change: wire.DiffCreated})
				default:
					if fields, detail := changes(have, e, c.x.ownDoing(join(dir, e.Name))); len(fields) > 0 {
						diffs = append(diffs, wire.Difference{Path: join(dir, e.Name), Change: wire.DiffModified, Fields: fields, Detail: detail})
					}
					have = stored.next()
				}
			}
			if n := len(l.Entries); n > 0 {
				after = strings.Clone(l.Entries[n-1].Name)
			}
			for ; have != nil && (l.Last || have.Name <= after); have = stored.next() {
				diffs = append(diffs, wire.Difference{Path: join(dir, have.Name), Change: wire.DiffRemoved})
			}
			for ; cloned < len(s.children); cloned++ {
				s.children[cloned] = strings.Clone(s.children[cloned])
			}
			damage = cmp.Or(damage, stored.err)
			if !l.Last {
				return nil
			}
			orphans(sn, key, s.children, func(name string) {
				d := wire.Difference{Path: join(dir, name), Change: wire.DiffRemoved}
				// What the index names as well was met above.
				if !slices.ContainsFunc(diffs, func(o wire.Difference) bool { return o.Path == d.Path }) {
					d.Detail = unnamed
					diffs = append(diffs, d)
				}
			})
			return nil
		})
	})
	if damage != nil {
		c.damaged = true
		diffs = append(diffs, wire.Difference{Path: dir, Change: wire.DiffModified, Fields: []string{damagedField}, Detail: damage.Error()})
	}
	return diffs, err
}

// damagedField is the one that differs of a directory whose record is damaged.
const damagedField = "record"

// unnamed is said of what is in the index though nothing there leads to it.
const unnamed = "no directory in the index names it"

// orphans calls fn with the names of the directories that have a record below dir
// and are not among its children. Damaged records are passed over: those of children
// are met when it is their turn, the others are the scrub's to find.
func orphans(sn *store.Snap, dir record.Key, children []string, fn func(name string)) {
	c := sn.Cursor(dir.ChunksEnd(), dir.SubtreeEnd())
	for c.Next() {
		name, _, _ := strings.Cut(string(c.Dir()[len(dir)+1:]), "\x00")
		if _, found := slices.BinarySearch(children, name); !found {
			fn(name)
		}
		c.Seek(dir.Child(name).SubtreeEnd())
	}
}

// changes names what differs between a stored entry and one just seen, but for the
// fields in but.
func changes(have, e *listing.Entry, but []string) (fields []string, detail string) {
	var list []string
	add := func(field string, old, new any) {
		if old != new && !slices.Contains(but, field) {
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
