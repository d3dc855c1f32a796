package walker

import (
	"runtime/debug"
	"strings"
	"time"
)

// assignment is one directory being processed by a worker, with the memory to list it. A
// worker has one, and one more for each Visit that waits for another job, whose
// directories the worker processes meanwhile.
type assignment struct {
	worker   *worker
	job      *Job
	dir      string
	reader   *dirReader    // progress of the listing; nil before it begins
	queuedOn *device       // where it was queued; nil if stuckFor is set
	stuckOn  *device       // the device that does not respond; set by the watchdog
	slot     *device       // the device of which it occupies a slot, or nil
	preset   error         // to end with instead of listing the directory
	stuckFor time.Duration // how long another assignment has been stuck in this directory

	lister   *lister
	result   Result
	err      error   // that the directory ended with
	outcome  outcome // what happens to the directory next
	children []child // to list next
}

// child is a directory to list next.
type child struct {
	dir string
	dev uint64
}

// outcome is the state of a directory after one run of its assignment.
type outcome int

const (
	refused  outcome = iota // by Admit; dropped
	finished                // with or without an error
	partial                 // more parts follow
	noSlot                  // its device has no free slot; queued again
	revoked                 // by the watchdog, which has ended it
)

// run lists the directory, or its next part, and calls Visit. It recovers from panics.
func (a *assignment) run() {
	ended := false
	defer func() {
		if !ended {
			a.panicked(recover())
		}
	}()
	a.listAndVisit()
	ended = true
}

func (a *assignment) listAndVisit() {
	spec := &a.job.spec
	a.outcome = finished
	if a.stuckFor > 0 && a.worker.pool.o.OnStuck != nil {
		a.worker.pool.o.OnStuck(a.worker.id, a.dir, a.stuckFor)
	}
	if a.reader == nil && a.stuckFor == 0 && spec.Admit != nil && !spec.Admit(a.dir) {
		a.outcome = refused
		return
	}
	err := a.preset
	if err == nil {
		err = a.list()
	}
	if a.outcome == revoked || a.outcome == noSlot {
		return
	}
	if err != nil {
		a.fail(err)
		return
	}
	l := &a.lister.listed
	if !l.Last {
		a.outcome = partial
	}
	a.result = Result{Worker: a.worker.id, Job: a.job, Dir: a.dir, Listing: l, assignment: a}
	names := spec.Visit(&a.result)
	a.children = a.children[:0]
	for _, name := range names {
		if name != "" && name != "." && name != ".." && strings.IndexByte(name, '/') < 0 {
			a.children = append(a.children, child{join(a.dir, name), a.lister.childDev(a.reader, name)})
		}
	}
}

// list reads the next part of the directory.
func (a *assignment) list() error {
	ls := a.lister
	if a.reader == nil {
		a.reader = ls.begin(a.dir)
	}
	ls.stop, ls.opened = &a.job.cancelled, a.job.spec.Opened
	var takeSlot func(uint64) bool
	p := a.worker.pool
	if p.o.PerDevice > 0 || p.o.DeviceLimit != nil {
		takeSlot = func(dev uint64) bool { return p.takeSlot(a, dev) }
	}
	ls.heartbeat.enter()
	read := func() error { return ls.read(a.reader, p.o.BigDir, takeSlot) }
	var err error
	if a.job.spec.Priority == Sweep {
		err = AtIdlePriority(read)
	} else {
		err = read()
	}
	if !ls.heartbeat.leave() {
		a.outcome = revoked
		return nil
	}
	if a.slot != nil {
		p.releaseSlot(a)
	}
	if err == errNoSlot {
		a.outcome = noSlot
		return nil
	}
	return err
}

// fail ends the directory with an error.
func (a *assignment) fail(err error) {
	a.err, a.outcome = err, finished
	a.children = a.children[:0]
	a.result = Result{Worker: a.worker.id, Job: a.job, Dir: a.dir, Err: err, assignment: a}
	a.job.spec.Visit(&a.result)
}

// panicked ends a directory after a panic with value, or, if that is nil, after a call of
// runtime.Goexit.
func (a *assignment) panicked(value any) {
	if !a.lister.heartbeat.end() {
		a.outcome = revoked
		return
	}
	if a.slot != nil {
		a.worker.pool.releaseSlot(a)
	}
	err := &PanicError{Dir: a.dir, Value: value, Stack: debug.Stack()}
	if a.err != nil {
		// Visit panicked while handling an error: do not call it again.
		a.err, a.outcome = err, finished
		return
	}
	defer func() { _ = recover() }()
	a.fail(err)
}

// join returns the path of an entry of dir.
func join(dir, name string) string {
	if dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}
