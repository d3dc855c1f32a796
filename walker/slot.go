package walker

// knownDevices returns what Options.Device says about directories, or nil without that
// option. The lock must not be held.
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

// takeSlot occupies one of the slots of the device that an open directory lies on. It
// reports false if none is free or if the watchdog has revoked the listing. The lock must
// not be held.
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
	if d.limit <= 0 {
		p.dropIfUnused(d)
		return true
	}
	d.busy++
	h.slot = d
	return true
}

// releaseSlot frees the slot again. The lock must not be held.
func (p *Pool) releaseSlot(h *assignment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.releaseSlotLocked(h)
}

// releaseSlotLocked is releaseSlot for callers that hold the lock.
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
