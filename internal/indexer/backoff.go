package indexer

import "time"

// backoff is for files that are written all the time: the first change is
// looked at at once, then after a second, and after twice as long each time as
// long as changes go on, up to a minute. Confined to the goroutine of live.
type backoff struct {
	files  map[string]*busyFile
	forgot time.Time // when forget last went through them
}

// busyFile is a file that changed lately.
type busyFile struct {
	dir, name string
	wait      time.Duration // how long it was put off last
	due       time.Time     // when it may be looked at
	changed   bool          // since it was looked at
}

const (
	backoffFirst = time.Second
	backoffMost  = time.Minute
	// backoffSlack is the part of its wait by which a file may be looked at early.
	backoffSlack = 4
	// backoffFiles are remembered; what is more is looked at at once.
	backoffFiles = 4096
)

// changed notes a change of a file and reports whether to look at it now.
func (b *backoff) changed(dir, name string, now time.Time) bool {
	path := join(dir, name)
	f := b.files[path]
	switch {
	case f == nil:
		b.forget(now)
		if len(b.files) < backoffFiles {
			b.files[path] = &busyFile{dir: dir, name: name, wait: backoffFirst, due: now.Add(backoffFirst)}
		}
		return true
	case now.Before(f.due):
		f.changed = true
		return false
	case now.After(f.due.Add(f.wait)): // it was quiet
		f.wait = backoffFirst
	default:
		f.wait = min(2*f.wait, backoffMost)
	}
	f.due, f.changed = now.Add(f.wait), false
	return true
}

// forget drops what has been quiet, where the table is full, once a second.
func (b *backoff) forget(now time.Time) {
	if len(b.files) < backoffFiles || now.Sub(b.forgot) < backoffFirst {
		return
	}
	b.forgot = now
	for path, f := range b.files {
		if !f.changed && now.After(f.due) {
			delete(b.files, path)
		}
	}
}

// next is when the first of the files put off is to be looked at; false: none is.
func (b *backoff) next() (due time.Time, ok bool) {
	for _, f := range b.files {
		if f.changed && (!ok || f.due.Before(due)) {
			due, ok = f.due, true
		}
	}
	return due, ok
}

// take calls look with the files put off that are due, or with all of them. With
// one that is due go those that soon will be, so that logs that are written side
// by side are looked at, and committed, together.
func (b *backoff) take(now time.Time, all bool, look func(dir, name string)) {
	due, ok := b.next()
	if !all && (!ok || now.Before(due)) {
		return
	}
	for _, f := range b.files {
		if f.changed && (all || !now.Add(f.wait/backoffSlack).Before(f.due)) {
			f.changed = false
			f.wait = min(2*f.wait, backoffMost)
			f.due = now.Add(f.wait)
			look(f.dir, f.name)
		}
	}
}
