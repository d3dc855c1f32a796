// Package powercut is for tests: it notes what a store does to its files, and
// makes of any moment of it the files that a killed process leaves, or those that
// a disk may have kept when power was cut.
//
// What a disk keeps is what was synced. Of what was written to a file since, or
// done to names in a directory, it may have kept anything: nothing, all, some of
// it and not what was done before, of a write some of its sectors and not others,
// of two writes to one place the first. A file's name is as it was when the
// directory was last synced, whatever has become of the file. (Most file systems
// keep more than that; none may keep less.)
package powercut

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"indexd/store"
)

// Log is store.Faults that notes all that is done in one directory. The zero
// value is ready.
type Log struct {
	// Before are the files that were there; they were synced.
	Before State

	mu    sync.Mutex
	steps []step
}

// step is one thing done, and what was promised by then.
type step struct {
	store.Point
	failed   bool
	promised uint64
}

// Fault is called by the store.
func (l *Log) Fault(p store.Point) error {
	if p.Done {
		l.note(step{Point: p})
	}
	return nil
}

// Failed notes that what p says fails; whoever calls it lets it. Of a sync that
// fails the disk has kept some, and the rest is lost: the next sync does not try
// again what this one did not do. Anything else that fails is not done at all.
func (l *Log) Failed(p store.Point) {
	if p.Op == store.OpSync {
		l.note(step{Point: p, failed: true})
	}
}

func (l *Log) note(s step) {
	s.Data = slices.Clone(s.Data)
	s.Path, s.To = filepath.Base(s.Path), filepath.Base(s.To)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, s)
}

// Promise notes that whatever is called n has been done for good: from now on
// every State says at least Promised n. It rises.
func (l *Log) Promise(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.steps) > 0 {
		l.steps[len(l.steps)-1].promised = n
	}
}

// Len is how many steps there are.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.steps)
}

// Disk is what is on the disk, and what is not yet, as the log is played.
type Disk struct {
	steps    []step
	next     int
	promised uint64
	names    map[string]*file // as processes see them
	kept     map[string]*file // as they were when the directory was synced
	moves    []move           // since
}

// file is one file, whatever its name.
type file struct {
	now  []byte        // as processes see it
	kept []byte        // as it was when it was synced
	open []store.Point // writes and truncations since
}

// move is something done to names.
type move struct {
	from, to string // "" for none
	f        *file  // what to is then
}

// Play returns the disk before the first step.
func (l *Log) Play() *Disk {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := &Disk{steps: slices.Clone(l.steps), names: make(map[string]*file)}
	for name, b := range l.Before {
		d.names[name] = &file{now: slices.Clone(b), kept: slices.Clone(b)}
	}
	d.kept = maps.Clone(d.names)
	return d
}

// Next does the next step; false: there is none.
func (d *Disk) Next() bool {
	if d.next == len(d.steps) {
		return false
	}
	p := d.steps[d.next]
	d.next++
	switch f := d.names[p.Path]; p.Op {
	case store.OpCreate:
		if f == nil {
			d.move(move{to: p.Path, f: new(file)})
		} else {
			f.apply(store.Point{Op: store.OpTruncate})
		}
	case store.OpWrite, store.OpTruncate:
		f.apply(p.Point)
	case store.OpSync:
		for i, w := range f.open {
			if !p.failed || lost[(d.next+i)%len(lost)] == 0 {
				f.kept = change(f.kept, w)
			}
		}
		f.open = nil
	case store.OpRename:
		d.move(move{from: p.Path, to: p.To, f: f})
	case store.OpRemove:
		d.move(move{from: p.Path})
	case store.OpSyncDir:
		d.kept, d.moves = maps.Clone(d.names), nil
	}
	if p.promised > 0 {
		d.promised = p.promised
	}
	return true
}

// lost is which of the writes before a sync that fails are lost.
var lost = [...]byte{1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0}

// Step says what the last step was.
func (d *Disk) Step() string {
	if d.next == 0 {
		return "the beginning"
	}
	s := d.steps[d.next-1]
	if s.failed {
		return fmt.Sprintf("step %d, a failed %v", d.next, s.Point)
	}
	return fmt.Sprintf("step %d, %v", d.next, s.Point)
}

// Synced reports whether the last step made anything safe: whether the next cut
// of power is at a boundary.
func (d *Disk) Synced() bool {
	return d.next > 0 && !d.steps[d.next-1].failed && (d.steps[d.next-1].Op == store.OpSync || d.steps[d.next-1].Op == store.OpSyncDir)
}

// Promised is what was promised by now.
func (d *Disk) Promised() uint64 { return d.promised }

func (d *Disk) move(m move) {
	m.do(d.names)
	d.moves = append(d.moves, m)
}

func (m move) do(names map[string]*file) {
	delete(names, m.from)
	if m.to != "" {
		names[m.to] = m.f
	}
}

func (f *file) apply(p store.Point) {
	f.now = change(f.now, p)
	f.open = append(f.open, p)
}

// change returns b after a write or truncation.
func change(b []byte, p store.Point) []byte {
	end := int(p.Off) + len(p.Data)
	if p.Op == store.OpTruncate {
		b = b[:min(end, len(b))]
	}
	if end > len(b) {
		b = append(b, make([]byte, end-len(b))...)
	}
	if p.Op == store.OpWrite {
		copy(b[p.Off:], p.Data)
	}
	return b
}

// State is files by name.
type State map[string][]byte

// WriteTo makes the files in an empty directory.
func (s State) WriteTo(dir string) error {
	for name, b := range s {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		err = f.Truncate(int64(len(b)))
		const page = 4096
		for off := 0; off < len(b) && err == nil; off += page {
			part := b[off:min(off+page, len(b))]
			if slices.ContainsFunc(part, func(c byte) bool { return c != 0 }) {
				_, err = f.WriteAt(part, int64(off))
			}
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	return nil
}
