package indexer

import "time"

// busyFiles limits how often constantly changing files are checked: at the first change at
// once, then after a second, and after twice as long each time while changes continue, up to
// a minute. Confined to live's goroutine.
type busyFiles struct {
	files  map[string]*busyFile
	forgot time.Time // when forget went through them last
}

// A busyFile is a file that changed lately.
type busyFile struct {
	dir, name string
	wait      time.Duration // how long it was put off last
	due       time.Time     // when it may be checked
	changed   bool          // since it was checked
}

const (
	busyFirst = time.Second
	busyMost  = time.Minute
	// busySlack is the part of its wait by which a file may be checked early.
	busySlack = 4
	// busyMax files are remembered; others are checked at every change.
	busyMax = 4096
)

// noteChange notes a change of a file and reports whether to check it now.
func (b *busyFiles) noteChange(dir, name string, now time.Time) bool {
	path := join(dir, name)
	f := b.files[path]
	switch {
	case f == nil:
		b.forget(now)
		if len(b.files) < busyMax {
			b.files[path] = &busyFile{dir: dir, name: name, wait: busyFirst, due: now.Add(busyFirst)}
		}
		return true
	case now.Before(f.due):
		f.changed = true
		return false
	case now.After(f.due.Add(f.wait)): // it was quiet
		f.wait = busyFirst
	default:
		f.wait = min(2*f.wait, busyMost)
	}
	f.due, f.changed = now.Add(f.wait), false
	return true
}

// forget removes files that have been quiet if the table is full, once a second.
func (b *busyFiles) forget(now time.Time) {
	if len(b.files) < busyMax || now.Sub(b.forgot) < busyFirst {
		return
	}
	b.forgot = now
	for path, f := range b.files {
		if !f.changed && now.After(f.due) {
			delete(b.files, path)
		}
	}
}

// next returns when the first of the files that were put off is due. ok is false if there
// is none.
func (b *busyFiles) next() (due time.Time, ok bool) {
	for _, f := range b.files {
		if f.changed && (!ok || f.due.Before(due)) {
			due, ok = f.due, true
		}
	}
	return due, ok
}

// take calls stat for the files put off that are due, or for all of them. Those that will
// be due soon go with them, so that logs that are written at the same time are checked and
// committed together.
func (b *busyFiles) take(now time.Time, all bool, stat func(dir, name string)) {
	due, ok := b.next()
	if !all && (!ok || now.Before(due)) {
		return
	}
	for _, f := range b.files {
		if f.changed && (all || !now.Add(f.wait/busySlack).Before(f.due)) {
			f.changed = false
			f.wait = min(2*f.wait, busyMost)
			f.due = now.Add(f.wait)
			stat(f.dir, f.name)
		}
	}
}
