package walker

import (
	"runtime/debug"
	"strings"
	"time"
)

// hand is one directory in the hand of a worker, with the memory to list it.
// A worker has one, and one more for each Visit in which it waits for another
// job and works it off.
type assignment struct {
	worker   *worker
	job      *Job
	dir      string
	reader   *dirReader    // how far it is; nil before it is begun
	queuedOn *device       // as far as is known before it is opened; nil if stuck is set
	stuckOn  *device       // that does not answer; set by the watchdog
	slot     *device       // whose place it takes, or nil
	preset   error         // that it is to end with, untouched
	stuckFor time.Duration // for how long another hand was, whose directory this is

	lister   *lister
	result   Result
	err      error   // that the directory ended with
	outcome  outcome // what to do with it
	children []child // to be listed next
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
	partial                 // to be gone on with
	noSlot                  // its device takes no more: queued again
	revoked                 // by the watchdog, which has ended it
)

// do begins or goes on with the directory, and calls Visit. Panics end here.
func (h *assignment) run() {
	ended := false
	defer func() {
		if !ended {
			h.panicked(recover())
		}
	}()
	h.listAndVisit()
	ended = true
}

func (h *assignment) listAndVisit() {
	spec := &h.job.spec
	h.outcome = finished
	if h.stuckFor > 0 && h.worker.pool.o.OnStuck != nil {
		h.worker.pool.o.OnStuck(h.worker.id, h.dir, h.stuckFor)
	}
	if h.reader == nil && h.stuckFor == 0 && spec.Admit != nil && !spec.Admit(h.dir) {
		h.outcome = refused
		return
	}
	err := h.preset
	if err == nil {
		err = h.list()
	}
	if h.outcome == revoked || h.outcome == noSlot {
		return
	}
	if err != nil {
		h.fail(err)
		return
	}
	l := &h.lister.listed
	if !l.Last {
		h.outcome = partial
	}
	h.result = Result{Worker: h.worker.id, Job: h.job, Dir: h.dir, Listing: l, assignment: h}
	names := spec.Visit(&h.result)
	h.children = h.children[:0]
	for _, name := range names {
		if name != "" && name != "." && name != ".." && strings.IndexByte(name, '/') < 0 {
			h.children = append(h.children, child{join(h.dir, name), h.lister.childDev(h.reader, name)})
		}
	}
}

// list reads the next part of the directory.
func (h *assignment) list() error {
	ls := h.lister
	if h.reader == nil {
		h.reader = ls.begin(h.dir)
	}
	ls.stop, ls.opened = &h.job.cancelled, h.job.spec.Opened
	var place func(uint64) bool
	p := h.worker.pool
	if p.o.PerDevice > 0 {
		place = func(dev uint64) bool { return p.takeSlot(h, dev) }
	}
	ls.heartbeat.enter()
	read := func() error { return ls.read(h.reader, p.o.BigDir, place) }
	var err error
	if h.job.spec.Priority == Sweep {
		err = AtIdlePriority(read)
	} else {
		err = read()
	}
	if !ls.heartbeat.leave() {
		h.outcome = revoked
		return nil
	}
	if h.slot != nil {
		p.releaseSlot(h)
	}
	if err == errNoSlot {
		h.outcome = noSlot
		return nil
	}
	return err
}

// fail ends the directory with an error.
func (h *assignment) fail(err error) {
	h.err, h.outcome = err, finished
	h.children = h.children[:0]
	h.result = Result{Worker: h.worker.id, Job: h.job, Dir: h.dir, Err: err, assignment: h}
	h.job.spec.Visit(&h.result)
}

// panicked ends the directory in which something panicked with value, or, if
// that is nil, called runtime.Goexit.
func (h *assignment) panicked(value any) {
	if !h.lister.heartbeat.end() {
		h.outcome = revoked
		return
	}
	if h.slot != nil {
		h.worker.pool.releaseSlot(h)
	}
	err := &PanicError{Dir: h.dir, Value: value, Stack: debug.Stack()}
	if h.err != nil {
		// Visit panicked when it was told of an error: not again.
		h.err, h.outcome = err, finished
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
