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

// Check compares top and all below it with the index. It lists directories, compares them
// with what is committed once all events so far are in the index, and calls report with each
// difference that a second comparison confirms, after all events that came meanwhile. With
// repair, directories that differ are listed again for the index too.
//
// Check works on the caller's goroutine, one directory at a time with idle I/O priority,
// and rests while the machine is busy. Now and then it calls progress, which may be nil,
// with the result so far. It returns ErrNotIndexed if top is not a directory in the index. If it met damage in
// the database, all of it is checked afterwards; see RequestVerify.
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
	c := &checker{barrier: x.barrier, report: report, progress: progress, mounts: x.mounts.Load(), rules: x.rules.Load(), confirmed: time.Now()}
	if repair {
		c.repair = newRelistGroup(x.scheduler, walker.Asked)
	}
	err := walker.AtIdlePriority(func() error { return c.walk(ctx, top) })
	if c.damaged { // not before: what it repairs would not be reported
		x.RequestVerify()
	}
	if err == nil && repair {
		err = c.repair.wait(ctx)
	}
	return c.result, err
}

// A checker is one call of Check.
type checker struct {
	*barrier
	report   func(*wire.Difference) error
	progress func(wire.CheckResult) error
	repair   *relistGroup // nil: differences are only reported
	mounts   *mountMap
	rules    *rules.Set
	result   wire.CheckResult
	damaged  bool // a damaged record was met

	suspects  []string      // directories in which something differed
	confirmed time.Time     // when the last ones were compared again
	waited    time.Duration // for the barrier before that
}

// walk compares directories depth first, from a stack.
func (c *checker) walk(ctx context.Context, top string) error {
	stack := []string{top}
	begun := time.Now()
	for len(stack) > 0 {
		if worked := time.Since(begun); worked > paceSlice {
			if c.progress != nil {
				if err := c.progress(c.result); err != nil {
					return err
				}
			}
			if err := c.pace.yield(ctx, worked); err != nil {
				return err
			}
			begun = time.Now()
		}
		dir := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		diffs, children, err := c.compare(ctx, dir)
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
		if n := len(c.suspects); n == maxSuspects || n > 0 && time.Since(c.confirmed) > max(time.Second, c.waited) {
			if err := c.confirm(ctx); err != nil {
				return err
			}
		}
	}
	return c.confirm(ctx)
}

// maxSuspects directories are compared again behind one barrier.
const maxSuspects = 256

// confirm compares the directories in which something differed again: it may have changed
// between listing the directory and reading the index, or have been on its way to the
// store. One barrier serves many directories, since each takes long in a storm.
func (c *checker) confirm(ctx context.Context) error {
	if len(c.suspects) == 0 {
		return nil
	}
	begun := time.Now()
	if err := c.caughtUp(ctx); err != nil {
		return err
	}
	c.waited = time.Since(begun)
	entries := c.result.Entries // which include those of the suspects
	for _, dir := range c.suspects {
		diffs, _, err := c.compare(ctx, dir)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil { // it may have gone since
			c.result.Dirs--
			c.result.Errors++
			continue
		}
		for i := range diffs {
			c.result.Differences++
			diffs[i].Repaired = c.repair != nil
			if err := c.report(&diffs[i]); err != nil {
				return err
			}
		}
		if len(diffs) > 0 && c.repair != nil {
			c.result.Repaired++
			if err := c.repairDir(ctx, dir, diffs); err != nil {
				return err
			}
		}
	}
	c.result.Entries = entries
	c.suspects, c.confirmed = c.suspects[:0], time.Now()
	return nil
}

// repairDir lists dir again, and drops directories that nothing names.
func (c *checker) repairDir(ctx context.Context, dir string, diffs []wire.Difference) error {
	for _, d := range diffs {
		if d.Detail != unnamed {
			continue
		}
		key, _, err := c.mounts.key(d.Path)
		if err == nil {
			err = c.writer.Update(ctx, func(tx *store.Tx) error { return tx.Drop(key, c.Stamp()) })
		}
		if err != nil {
			return err
		}
	}
	return c.repair.relist(ctx, dir)
}

// compare lists dir and compares it with what is stored. It also returns the names of the
// child directories.
func (c *checker) compare(ctx context.Context, dir string) (diffs []wire.Difference, children []string, err error) {
	key, _, err := c.mounts.key(dir)
	if err != nil {
		return nil, nil, err
	}
	plan := &listingPlan{task: &task{s: c.scheduler}, dir: dir, rules: c.rules, mounts: c.mounts.children[dir]}
	add := func(name, change string) {
		diffs = append(diffs, wire.Difference{Path: join(dir, name), Change: change})
	}
	after, cloned := "", 0
	var damage error
	err = walker.List(ctx, dir, func(l *listing.Listing) error {
		return c.st.View(func(sn *store.Snap) error {
			stored := readEntries(sn, key, after)
			have := stored.next()
			for i := range l.Entries {
				e := &l.Entries[i]
				if !plan.keep(e) {
					continue
				}
				c.result.Entries++
				if e.Type() == listing.Dir {
					plan.descend(e)
				}
				for ; have != nil && have.Name < e.Name; have = stored.next() {
					add(have.Name, wire.DiffRemoved)
				}
				switch {
				case stored.err != nil: // the stored entry is unknown
				case have == nil || have.Name != e.Name:
					add(e.Name, wire.DiffCreated)
				default:
					if fields, detail := differences(have, e, c.ownFields(join(dir, e.Name))); len(fields) > 0 {
						diffs = append(diffs, wire.Difference{Path: join(dir, e.Name), Change: wire.DiffModified, Fields: fields, Detail: detail})
					}
					have = stored.next()
				}
			}
			if n := len(l.Entries); n > 0 {
				after = strings.Clone(l.Entries[n-1].Name)
			}
			for ; have != nil && (l.Last || have.Name <= after); have = stored.next() {
				add(have.Name, wire.DiffRemoved)
			}
			for ; cloned < len(plan.children); cloned++ {
				plan.children[cloned] = strings.Clone(plan.children[cloned])
			}
			damage = cmp.Or(damage, stored.err)
			if !l.Last {
				return nil
			}
			eachOrphan(sn, key, plan.children, func(name string) {
				// What the index names as well was met above.
				if path := join(dir, name); !slices.ContainsFunc(diffs, func(d wire.Difference) bool { return d.Path == path }) {
					diffs = append(diffs, wire.Difference{Path: path, Change: wire.DiffRemoved, Detail: unnamed})
				}
			})
			return nil
		})
	})
	if damage != nil {
		c.damaged = true
		diffs = append(diffs, wire.Difference{Path: dir, Change: wire.DiffModified, Fields: []string{damagedField}, Detail: damage.Error()})
	}
	return diffs, plan.children, err
}

// damagedField is what differs of a directory whose record is damaged.
const damagedField = "record"

// unnamed is the detail of a directory that is in the index though nothing leads to it.
const unnamed = "no directory in the index names it"

// IsInternal reports whether a difference is about the index alone: directories that
// nothing leads to, and damaged records.
func IsInternal(d *wire.Difference) bool {
	return d.Detail == unnamed || len(d.Fields) == 1 && d.Fields[0] == damagedField
}

// eachOrphan calls fn with the names of directories that have a record below dir but are not
// among its children. It skips damaged records: those of children are met when it is their
// turn, and a check of the database finds the others.
func eachOrphan(sn *store.Snap, dir record.Key, children []string, fn func(name string)) {
	c := sn.Cursor(dir.ChunksEnd(), dir.SubtreeEnd())
	for c.Next() {
		name, _, _ := strings.Cut(string(c.Dir()[len(dir)+1:]), "\x00")
		if _, found := slices.BinarySearch(children, name); !found {
			fn(name)
		}
		c.Seek(dir.Child(name).SubtreeEnd())
	}
}

// differences names the fields, except those in ignored, in which a stored entry differs
// from one just listed.
func differences(have, e *listing.Entry, ignored []string) (fields []string, detail string) {
	var list []string
	compare := func(field string, old, new any) {
		if old != new && !slices.Contains(ignored, field) {
			fields = append(fields, field)
			list = append(list, fmt.Sprintf("%s %v → %v", field, old, new))
		}
	}
	compare("type", string(have.Type().Letter()), string(e.Type().Letter()))
	compare("inode", have.Ino, e.Ino)
	compare("size", have.Size, e.Size)
	compare("blocks", have.Blocks, e.Blocks)
	compare("mtime", have.Mtime.Std().UTC(), e.Mtime.Std().UTC())
	compare("mode", have.Mode&07777, e.Mode&07777)
	compare("uid", have.UID, e.UID)
	compare("gid", have.GID, e.GID)
	compare("links", have.Nlink, e.Nlink)
	return fields, strings.Join(list, ", ")
}
