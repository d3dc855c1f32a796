package powercut

import (
	"math/rand/v2"
	"slices"

	"indexd/store"
)

// Killed is what a process leaves that is killed now: all it did.
func (d *Disk) Killed() State {
	s := make(State)
	for name, f := range d.names {
		s[name] = slices.Clone(f.now)
	}
	return s
}

// KilledWithin is what a process leaves that is killed in the midst of the next
// step, a write of more than a page, of which some pages are done; false: that
// is no such write.
func (d *Disk) KilledWithin(r *rand.Rand) (State, bool) {
	if d.next == len(d.steps) {
		return nil, false
	}
	p := d.steps[d.next].Point
	if p.Op != store.OpWrite || len(p.Data) <= pageSize {
		return nil, false
	}
	p.Data = p.Data[:(1+r.IntN((len(p.Data)-1)/pageSize))*pageSize]
	s := d.Killed()
	s[p.Path] = change(s[p.Path], p)
	return s, true
}

const pageSize = 4096

// Way is how much of what was not synced a disk has kept.
type Way uint8

// The ways.
const (
	Nothing   Way = iota // of it
	Some                 // of the writes, in the order in which they were made
	Torn                 // some sectors of 512 bytes
	TornPages            // some of 4096
	Tail                 // the last writes, and none before them
	Reordered            // all, but of two writes to one place perhaps the first
	Ways
)

func (w Way) String() string {
	return [...]string{"nothing", "some", "torn", "torn pages", "the tail", "reordered"}[w]
}

// reorder shuffles what was written between two changes of the file's size.
func reorder(open []store.Point, r *rand.Rand) {
	for len(open) > 0 {
		n := slices.IndexFunc(open, func(p store.Point) bool { return p.Op == store.OpTruncate })
		if n < 0 {
			n = len(open)
		}
		r.Shuffle(n, func(i, j int) { open[i], open[j] = open[j], open[i] })
		open = open[min(n+1, len(open)):]
	}
}

// Cut is what a disk may have when power is cut now.
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
			case p.Op == store.OpWrite && way == Torn:
				sector = 512
			case p.Op == store.OpWrite && way == TornPages:
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
					b = change(b, store.Point{Op: p.Op, Off: p.Off + int64(off), Data: p.Data[off:min(off+sector, len(p.Data))]})
				}
			}
		}
		s[name] = b
	}
	return s
}
