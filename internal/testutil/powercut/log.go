// Package powercut records what a store does to its files, and reconstructs for any
// moment what a killed process leaves behind, or what a disk may have kept after a power
// cut.
//
// A disk keeps what was synced. Of later writes to a file, or later changes of names in a
// directory, it may have kept anything: nothing, everything, some of it without what was
// done before, some sectors of a write, or the first of two writes to one place. A file
// has the name that it had when the directory was last synced, whatever happened to the
// file. (Most file systems keep more than that; none may keep less.)
package powercut

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"indexd/store/dbfile"
)

// Log implements dbfile.Faults and records everything done in one directory. The zero
// value is ready to use.
type Log struct {
	// Before contains the files that existed before, which were synced.
	Before State

	mu    sync.Mutex
	steps []step
}

// step is one operation, and what was promised by then.
type step struct {
	dbfile.Point
	failed   bool
	promised uint64
}

// Fault is called by the store.
func (l *Log) Fault(p dbfile.Point) error {
	if p.Done {
		l.note(step{Point: p})
	}
	return nil
}

// Failed records that operation p fails; the caller makes it fail. If a sync fails, the
// disk has kept some of the data and the rest is lost: the next sync does not write it.
// Any other operation that fails is not done at all.
func (l *Log) Failed(p dbfile.Point) {
	if p.Op == dbfile.OpSync {
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

// Promise records that operation number n is durable: every later State has a Promised of
// at least n. n must not decrease.
func (l *Log) Promise(n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.steps) > 0 {
		l.steps[len(l.steps)-1].promised = n
	}
}

// Len returns the number of steps.
func (l *Log) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.steps)
}

// Disk is the state of the disk and the page cache while a log is played.
type Disk struct {
	steps    []step
	next     int
	promised uint64
	names    map[string]*file // as processes see them
	kept     map[string]*file // when the directory was last synced
	moves    []move           // since then
}

// file is one file, regardless of its name.
type file struct {
	now  []byte         // as processes see it
	kept []byte         // when it was last synced
	open []dbfile.Point // writes and truncations since then
}

// move is a change of names.
type move struct {
	from, to string // "" for none
	f        *file  // the file named to afterwards
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

// Next performs the next step. It reports false if there is none.
func (d *Disk) Next() bool {
	if d.next == len(d.steps) {
		return false
	}
	p := d.steps[d.next]
	d.next++
	switch f := d.names[p.Path]; p.Op {
	case dbfile.OpCreate:
		if f == nil {
			d.move(move{to: p.Path, f: new(file)})
		} else {
			f.apply(dbfile.Point{Op: dbfile.OpTruncate})
		}
	case dbfile.OpWrite, dbfile.OpTruncate:
		f.apply(p.Point)
	case dbfile.OpSync:
		for i, w := range f.open {
			if !p.failed || lost[(d.next+i)%len(lost)] == 0 {
				f.kept = change(f.kept, w)
			}
		}
		f.open = nil
	case dbfile.OpRename:
		d.move(move{from: p.Path, to: p.To, f: f})
	case dbfile.OpRemove:
		d.move(move{from: p.Path})
	case dbfile.OpSyncDir:
		d.kept, d.moves = maps.Clone(d.names), nil
	}
	if p.promised > 0 {
		d.promised = p.promised
	}
	return true
}

// lost tells which of the writes before a failed sync are lost.
var lost = [...]byte{1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0}

// Step describes the last step.
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

// Synced reports whether the last step made anything durable.
func (d *Disk) Synced() bool {
	return d.next > 0 && !d.steps[d.next-1].failed && (d.steps[d.next-1].Op == dbfile.OpSync || d.steps[d.next-1].Op == dbfile.OpSyncDir)
}

// Promised returns what has been promised so far.
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

func (f *file) apply(p dbfile.Point) {
	f.now = change(f.now, p)
	f.open = append(f.open, p)
}

// change returns b after a write or truncation.
func change(b []byte, p dbfile.Point) []byte {
	end := int(p.Off) + len(p.Data)
	if p.Op == dbfile.OpTruncate {
		b = b[:min(end, len(b))]
	}
	if end > len(b) {
		b = append(b, make([]byte, end-len(b))...)
	}
	if p.Op == dbfile.OpWrite {
		copy(b[p.Off:], p.Data)
	}
	return b
}

// State maps names to file contents.
type State map[string][]byte

// WriteTo creates the files in an empty directory.
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
