package walker

import (
	"runtime/debug"
	"strings"
	"time"
)

// hand is one directory in the hand of a worker, with the memory to list it.
// A worker has one, and one more for each Visit in which it waits for another
// job and works it off.
type hand struct {
	worker *worker
	job    *Job
	dir    string
	rest   *reading      // how far it is; nil before it is begun
	from   *device       // as far as is known before it is opened; nil if stuck is set
	hung   *device       // that does not answer; set by the watchdog
	place  *device       // whose place it takes, or nil
	preset error         // that it is to end with, untouched
	stuck  time.Duration // for how long another hand was, whose directory this is

	lister *lister
	result Result
	err    error   // that the directory ended with
	out    outcome // what to do with it
	below  []child // to be listed next
}

// child is a directory to be listed next.
type child struct {
	dir string
	dev uint64
}

// outcome is what became of a directory in hand.
type outcome int

const (
	refused  outcome = iota // by Admit: dropped
	finished                // with err or without
	partly                  // to be gone on with
	noPlace                 // its device takes no more: queued again
	takenOut                // by the watchdog, which has ended it
)

// do begins or goes on with the directory, and calls Visit. Panics end here.
func (h *hand) do() {
	ended := false
	defer func() {
		if !ended {
			h.panicked(recover())
		}
	}()
	h.listAndVisit()
	ended = true
}

func (h *hand) listAndVisit() {
	spec := &h.job.spec
	h.out = finished
	if h.stuck > 0 && h.worker.pool.o.OnStuck != nil {
		h.worker.pool.o.OnStuck(h.worker.id, h.dir, h.stuck)
	}
	if h.rest == nil && h.stuck == 0 && spec.Admit != nil && !spec.Admit(h.dir) {
		h.out = refused
		return
	}
	err := h.preset
	if err == nil {
		err = h.list()
	}
	if h.out == takenOut || h.out == noPlace {
		return
	}
	if err != nil {
		h.fail(err)
		return
	}
	l := &h.lister.listed
	if !l.Last {
		h.out = partly
	}
	h.result = Result{Worker: h.worker.id, Job: h.job, Dir: h.dir, Listing: l, hand: h}
	names := spec.Visit(&h.result)
	h.below = h.below[:0]
	for _, name := range names {
		if name != "" && name != "." && name != ".." && strings.IndexByte(name, '/') < 0 {
			h.below = append(h.below, child{join(h.dir, name), h.lister.childDev(h.rest, name)})
		}
	}
}

// list reads the next part of the directory.
func (h *hand) list() error {
	ls := h.lister
	if h.rest == nil {
		h.rest = ls.begin(h.dir)
	}
	ls.stop, ls.opened = &h.job.cancelled, h.job.spec.Opened
	var place func(uint64) bool
	p := h.worker.pool
	if p.o.PerDevice > 0 {
		place = func(dev uint64) bool { return p.enter(h, dev) }
	}
	ls.pulse.enter()
	read := func() error { return ls.read(h.rest, p.o.BigDir, place) }
	var err error
	if h.job.spec.Priority == Sweep {
		err = Idly(read)
	} else {
		err = read()
	}
	if !ls.pulse.leave() {
		h.out = takenOut
		return nil
	}
	if h.place != nil {
		p.leave(h)
	}
	if err == errNoPlace {
		h.out = noPlace
		return nil
	}
	return err
}

// fail ends the directory with an error.
func (h *hand) fail(err error) {
	h.err, h.out = err, finished
	h.below = h.below[:0]
	h.result = Result{Worker: h.worker.id, Job: h.job, Dir: h.dir, Err: err, hand: h}
	h.job.spec.Visit(&h.result)
}

// panicked ends the directory in which something panicked with value, or, if
// that is nil, called runtime.Goexit.
func (h *hand) panicked(value any) {
	if !h.lister.pulse.end() {
		h.out = takenOut
		return
	}
	if h.place != nil {
		h.worker.pool.leave(h)
	}
	err := &PanicError{Dir: h.dir, Value: value, Stack: debug.Stack()}
	if h.err != nil {
		// Visit panicked when it was told of an error: not again.
		h.err, h.out = err, finished
		return
	}
	defer func() { _ = recover() }()
	h.fail(err)
}

// join returns the path of an entry of dir.
func join(dir, name string) string {
	if dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}
