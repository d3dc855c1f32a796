package walker

import "slices"

// item is a directory to list. If reader is not nil, the listing has begun and the
// directory has passed Admit.
type item struct {
	dir    string
	reader *dirReader
	order  uint64 // of the push
}

// lane is the stack of one job's directories on one device. Last in, first out keeps the
// queue short: walking one tree queued at most 894 directories, where first in, first out
// queued 89,700. Together, the lanes of a job act as one such stack, from which only the
// directories on busy devices are left out.
type lane struct {
	job   *Job
	dev   *device
	items []item

	// Lanes with items are linked into a ring of their device.
	prev, next *lane
	queued     bool
}

// device is one file system, as identified by st_dev. The device with id 0 stands for
// those unknown before their directories are opened. A device exists as long as it is
// used.
type device struct {
	id    uint64
	users int // lanes and assignments that refer to it
	limit int // listings at once; 0: there is no limit
	busy  int // workers in system calls on it, counted only if there is a limit
	stuck int // workers whose system calls on it do not return
	rings [priorities]ring
}

// stuckLimit is how many workers must be stuck on a device before directories queued for
// it end with ErrStuck right away. A single one may be waiting for a disk that retries.
const stuckLimit = 2

// keepLanes is how many empty lanes a job may keep for reuse.
const keepLanes = 8

// ring is a queue of lanes ordered by the turns of their jobs, with the least recently
// served job in front.
type ring struct{ front, back *lane }

// add inserts a lane in order. Its place is most often the back and seldom far from it,
// since a lane is added right after its job was served.
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

// device returns the device with that number. The lock must be held, here and for all
// functions below.
func (p *Pool) device(id uint64) *device {
	for _, d := range p.devices {
		if d.id == id {
			return d
		}
	}
	d := &device{id: id, limit: p.deviceLimit(id)}
	p.devices = append(p.devices, d)
	return d
}

// deviceLimit returns how many directories of a device may be listed at once, 0 if there is
// no limit.
func (p *Pool) deviceLimit(id uint64) int {
	switch {
	case id == 0:
		return 0
	case p.o.DeviceLimit != nil:
		return p.o.DeviceLimit(id)
	}
	return p.o.PerDevice
}

// dropIfUnused removes a device that nothing refers to. Containers make devices come and
// go.
func (p *Pool) dropIfUnused(d *device) {
	if d.users == 0 && d.busy == 0 && d.stuck == 0 {
		p.devices = slices.DeleteFunc(p.devices, func(e *device) bool { return e == d })
	}
}

// releaseDevice ends one use of a device.
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

// pop takes the top item of a lane, which must have one, and moves the lanes of its job
// to their next turn.
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

// enqueueLane adds a lane, which has items, to its ring.
func (p *Pool) enqueueLane(l *lane) {
	l.dev.rings[l.job.spec.Priority].add(l)
	p.ready[l.job.spec.Priority]++
}

// dequeueLane removes a lane from its ring.
func (p *Pool) dequeueLane(l *lane) {
	l.dev.rings[l.job.spec.Priority].remove(l)
	p.ready[l.job.spec.Priority]--
}

// dropQueued removes those directories of a job from the queue that have not begun.
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

// dropLanes removes the lanes of a job that has ended.
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

// next returns the lane to serve next, or nil if there is none: of the highest priority
// with queued lanes, the one served least recently whose device has a free slot.
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

// before reports whether l, which has items, is to be served before m, which may be nil:
// the least recently served job goes first, and within a job the item pushed last.
func (l *lane) before(m *lane) bool {
	if m == nil || l.job != m.job {
		return m == nil || l.job.turn < m.job.turn
	}
	return l.items[len(l.items)-1].order > m.items[len(m.items)-1].order
}

// mayServe reports whether a directory of the lane may begin now. Directories that only
// need to be ended need no slot.
func (p *Pool) mayServe(l *lane) bool {
	return p.hasSlot(l.dev) || l.dev.stuck >= stuckLimit || l.job.cancelled.Load()
}

// hasSlot reports whether a device allows one more listing.
func (p *Pool) hasSlot(d *device) bool {
	return d.limit <= 0 || d.busy < d.limit
}
