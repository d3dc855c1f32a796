package walker

// devicesOf is what Options.Device says of directories, nil for nothing. Called
// without the lock.
func (p *Pool) knownDevices(dirs []string) []uint64 {
	if p.o.Device == nil {
		return nil
	}
	devs := make([]uint64, len(dirs))
	for i, dir := range dirs {
		devs[i] = p.o.Device(dir)
	}
	return devs
}

// enter takes a place on the device of a directory that has been opened; false
// if there is none, or if the listing was taken away meanwhile. Called without
// the lock.
func (p *Pool) takeSlot(h *assignment, dev uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.lister.heartbeat.isRevoked() {
		return false
	}
	if h.slot != nil && h.slot.id == dev {
		return true
	}
	if h.slot != nil {
		p.releaseSlotLocked(h)
	}
	d := p.device(dev)
	if !p.hasSlot(d) {
		return false
	}
	d.busy++
	h.slot = d
	return true
}

// leave gives the place back. Called without the lock.
func (p *Pool) releaseSlot(h *assignment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.releaseSlotLocked(h)
}

// unplace is leave for who has the lock.
func (p *Pool) releaseSlotLocked(h *assignment) {
	d := h.slot
	h.slot = nil
	full := !p.hasSlot(d)
	d.busy--
	if full {
		p.wake(1)
		for j := range p.awaited {
			j.notify()
		}
	}
	p.dropIfUnused(d)
}
