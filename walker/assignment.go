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
	var place func(uint64) bool
	p := a.worker.pool
	if p.o.PerDevice > 0 {
		place = func(dev uint64) bool { return p.takeSlot(a, dev) }
	}
	ls.heartbeat.enter()
	read := func() error { return ls.read(a.reader, p.o.BigDir, place) }
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

// panicked ends the directory in which something panicked with value, or, if
// that is nil, called runtime.Goexit.
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
		// Visit panicked when it was told of an error: not again.
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
