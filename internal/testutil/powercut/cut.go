package powercut

import (
	"math/rand/v2"
	"slices"

	"indexd/store/dbfile"
)

// Killed returns what a process leaves behind if it is killed now: everything it did.
func (d *Disk) Killed() State {
	s := make(State)
	for name, f := range d.names {
		s[name] = slices.Clone(f.now)
	}
	return s
}

// KilledWithin returns what a process leaves behind if it is killed in the middle of the
// next step, a write of more than a page, of which some pages are written. It reports
// false if the next step is no such write.
func (d *Disk) KilledWithin(r *rand.Rand) (State, bool) {
	if d.next == len(d.steps) {
		return nil, false
	}
	p := d.steps[d.next].Point
	if p.Op != dbfile.OpWrite || len(p.Data) <= pageSize {
		return nil, false
	}
	p.Data = p.Data[:(1+r.IntN((len(p.Data)-1)/pageSize))*pageSize]
	s := d.Killed()
	s[p.Path] = change(s[p.Path], p)
	return s, true
}

const pageSize = 4096

// Way is which part of the unsynced data a disk has kept.
type Way uint8

// Ways.
const (
	Nothing   Way = iota // nothing
	Some                 // some of the writes, in order
	Torn                 // some sectors of 512 bytes
	TornPages            // some sectors of 4096 bytes
	Tail                 // the last writes but none before them
	Reordered            // all, but of two writes to one place possibly the first
	Ways
)

func (w Way) String() string {
	return [...]string{"nothing", "some", "torn", "torn pages", "the tail", "reordered"}[w]
}

// reorder shuffles the writes between two changes of the file's size.
func reorder(open []dbfile.Point, r *rand.Rand) {
	for len(open) > 0 {
		n := slices.IndexFunc(open, func(p dbfile.Point) bool { return p.Op == dbfile.OpTruncate })
		if n < 0 {
			n = len(open)
		}
		r.Shuffle(n, func(i, j int) { open[i], open[j] = open[j], open[i] })
		open = open[min(n+1, len(open)):]
	}
}

// Cut returns what a disk may contain if power is cut now.
func (d *Disk) Cut(way Way, r *rand.Rand) State {
	names := make(map[string]*file)
	for name, f := range d.kept {
		names[name] = f
	}
	some := r.Float64()
	keep := func(i, n int) bool {
		switch way {
		case Nothing:
			return false
		case Tail:
			return float64(i) >= some*float64(n)
		case Reordered:
			return true
		}
		return r.Float64() < some
	}
	for i, m := range d.moves {
		if keep(i, len(d.moves)) {
			m.do(names)
		}
	}
	s := make(State)
	for name, f := range names {
		b := slices.Clone(f.kept)
		open := slices.Clone(f.open)
		if way == Reordered {
			reorder(open, r)
		}
		for i, p := range open {
			sector := 0
			switch {
			case p.Op == dbfile.OpWrite && way == Torn:
				sector = 512
			case p.Op == dbfile.OpWrite && way == TornPages:
				sector = pageSize
			}
			if sector == 0 {
				if keep(i, len(open)) {
					b = change(b, p)
				}
				continue
			}
			for off := 0; off < len(p.Data); off += sector {
				if keep(i, len(open)) {
					b = change(b, dbfile.Point{Op: p.Op, Off: p.Off + int64(off), Data: p.Data[off:min(off+sector, len(p.Data))]})
				}
			}
		}
		s[name] = b
	}
	return s
}
