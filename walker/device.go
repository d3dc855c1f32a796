package walker

// devicesOf is what Options.Device says of directories, nil for nothing. Called
// without the lock.
func (p *Pool) devicesOf(dirs []string) []uint64 {
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
func (p *Pool) enter(h *hand, dev uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.lister.pulse.lost() {
		return false
	}
	if h.place != nil && h.place.id == dev {
		return true
	}
	if h.place != nil {
		p.unplace(h)
	}
	d := p.device(dev)
	if !p.free(d) {
		return false
	}
	d.busy++
	h.place = d
	return true
}

// leave gives the place back. Called without the lock.
func (p *Pool) leave(h *hand) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unplace(h)
}

// unplace is leave for who has the lock.
func (p *Pool) unplace(h *hand) {
	d := h.place
	h.place = nil
	full := !p.free(d)
	d.busy--
	if full {
		p.wake(1)
		for j := range p.awaited {
			j.notify()
		}
	}
	p.dropIfUnused(d)
}
