package walker

import "slices"

// item is a directory to be listed, or to be gone on with: then rest is not
// nil, and it has passed Admit.
type item struct {
	dir    string
	reader *dirReader
	order  uint64 // in which it was pushed
}

// lane is the stack of one job's directories on one device. What is pushed
// last comes out first, so that a walk has few directories queued: on one tree
// 894 at most where first in, first out had 89,700. A job's lanes are together
// one such stack, from which only a device that is busy is left out.
type lane struct {
	job   *Job
	dev   *device
	items []item

	// Lanes with items stand in a ring of their device.
	prev, next *lane
	queued     bool
}

// device is one file system as st_dev tells it, or, with id 0, those that are
// not known before their directory is opened. It lives as long as it is used.
type device struct {
	id    uint64
	users int // lanes and hands
	busy  int // workers in system calls on it, counted if there is a limit
	stuck int // workers that do not come back from it
	rings [priorities]ring
}

// hungAt is how many workers must be stuck on a device before the directories
// that are queued for it end with ErrStuck unasked. One may be a disk that has
// to be tried again.
const stuckLimit = 2

// keepLanes is how many empty lanes a job may keep for later.
const keepLanes = 8

// ring is a queue of lanes by the turns of their jobs: the one served least
// recently is in front.
type ring struct{ front, back *lane }

// add puts a lane in its place: most often the back, and seldom far from it,
// since a lane is added when its job was just served.
func (r *ring) add(l *lane) {
	at := r.back
	for at != nil && at.job.turn > l.job.turn {
		at = at.prev
	}
	l.queued, l.prev = true, at
	if at != nil {
		l.next, at.next = at.next, l
	} else {
		l.next, r.front = r.front, l
	}
	if l.next != nil {
		l.next.prev = l
	} else {
		r.back = l
	}
}

func (r *ring) remove(l *lane) {
	if l.prev != nil {
		l.prev.next = l.next
	} else {
		r.front = l.next
	}
	if l.next != nil {
		l.next.prev = l.prev
	} else {
		r.back = l.prev
	}
	l.queued, l.prev, l.next = false, nil, nil
}

// device returns the device of that number. The pool's lock is held, here and
// for all below.
func (p *Pool) device(id uint64) *device {
	for _, d := range p.devices {
		if d.id == id {
			return d
		}
	}
	d := &device{id: id}
	p.devices = append(p.devices, d)
	return d
}

// dropIfUnused forgets a device that nobody refers to: with containers they
// come and go.
func (p *Pool) dropIfUnused(d *device) {
	if d.users == 0 && d.busy == 0 && d.stuck == 0 {
		p.devices = slices.DeleteFunc(p.devices, func(e *device) bool { return e == d })
	}
}

// unuse ends one use of a device.
func (p *Pool) releaseDevice(d *device) {
	d.users--
	p.dropIfUnused(d)
}

// push puts an item on top of the job's lane for a device.
func (p *Pool) push(j *Job, dev uint64, it item) {
	l := j.lane(dev)
	p.pushes++
	it.order = p.pushes
	l.items = append(l.items, it)
	if !l.queued {
		if j.queued == 0 {
			p.turns++
			j.turn = p.turns
		}
		p.enqueueLane(l)
	}
	p.queued++
	j.queued++
	if it.reader != nil {
		j.begun++
	}
}

// pop takes the top item of a lane, which must have one, and lets the job's
// lanes wait for their next turn.
func (p *Pool) pop(l *lane) item {
	end := len(l.items) - 1
	it := l.items[end]
	l.items[end] = item{}
	l.items = l.items[:end]
	if end == 0 && cap(l.items) > retainedEntries {
		l.items = nil
	}
	j := l.job
	p.queued--
	j.queued--
	if it.reader != nil {
		j.begun--
	}
	for _, l := range j.lanes {
		if l.queued {
			p.dequeueLane(l)
		}
	}
	if len(l.items) == 0 && len(j.lanes) > keepLanes {
		j.lanes = slices.DeleteFunc(j.lanes, func(m *lane) bool { return m == l })
		p.releaseDevice(l.dev)
	}
	p.turns++
	j.turn = p.turns
	for _, l := range j.lanes {
		if len(l.items) > 0 {
			p.enqueueLane(l)
		}
	}
	return it
}

// ring lets a lane, which has items, wait for its turn.
func (p *Pool) enqueueLane(l *lane) {
	l.dev.rings[l.job.spec.Priority].add(l)
	p.ready[l.job.spec.Priority]++
}

// unring takes a lane out of its ring.
func (p *Pool) dequeueLane(l *lane) {
	l.dev.rings[l.job.spec.Priority].remove(l)
	p.ready[l.job.spec.Priority]--
}

// drop takes out of the queue what a job has not begun.
func (p *Pool) dropQueued(j *Job) {
	for _, l := range j.lanes {
		n := len(l.items)
		l.items = slices.DeleteFunc(l.items, func(it item) bool { return it.reader == nil })
		p.queued -= n - len(l.items)
		j.queued -= n - len(l.items)
		if len(l.items) == 0 {
			l.items = nil
			if l.queued {
				p.dequeueLane(l)
			}
		}
	}
}

// dropLanes forgets the lanes of a job that has ended.
func (p *Pool) dropLanes(j *Job) {
	for _, l := range j.lanes {
		p.releaseDevice(l.dev)
	}
	j.lanes = nil
}

// lane returns the job's lane for a device.
func (j *Job) lane(dev uint64) *lane {
	for _, l := range j.lanes {
		if l.dev.id == dev {
			return l
		}
	}
	d := j.pool.device(dev)
	d.users++
	l := &lane{job: j, dev: d}
	j.lanes = append(j.lanes, l)
	return l
}

// next returns the lane that is to be served next: of the highest priority
// that has any, the one that was not served for longest, on a device that takes
// one more; nil if there is none.
func (p *Pool) next() *lane {
	for pr := priorities - 1; pr >= 0; pr-- {
		if p.ready[pr] == 0 {
			continue
		}
		var best *lane
		for _, d := range p.devices {
			if l := d.rings[pr].front; l != nil && l.before(best) && p.mayServe(l) {
				best = l
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// nextOf returns a lane of one job that may be served, or nil.
func (p *Pool) nextOf(j *Job) (best *lane) {
	for _, l := range j.lanes {
		if l.queued && l.before(best) && p.mayServe(l) {
			best = l
		}
	}
	return best
}

// before reports whether l, which has items, is to be served before m, which
// may be nil: the job served least recently, and of it what was pushed last.
func (l *lane) before(m *lane) bool {
	if m == nil || l.job != m.job {
		return m == nil || l.job.turn < m.job.turn
	}
	return l.items[len(l.items)-1].order > m.items[len(m.items)-1].order
}

// admits reports whether a directory of the lane may be begun now. Those that
// are only to be ended need no place.
func (p *Pool) mayServe(l *lane) bool {
	return p.hasSlot(l.dev) || l.dev.stuck >= stuckLimit || l.job.cancelled.Load()
}

// free reports whether a device takes one more listing.
func (p *Pool) hasSlot(d *device) bool {
	return p.o.PerDevice <= 0 || d.id == 0 || d.busy < p.o.PerDevice
}
