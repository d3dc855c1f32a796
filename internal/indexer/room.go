package indexer

import (
	"errors"
	"time"

	"indexd/store"
)

// At the database's size limit nothing is held. What adds names is turned away, and
// so, where it must be, is what changes them; what takes names away, and what the
// daemon needs to go on, is written, in the room that the others leave to it. What
// was turned away is found again once something went, as changes are that nobody
// saw: names by the times of their directories, the rest by a look at everything.

// share is how much of the room to the size limit an item may use.
type share uint8

const (
	all  share = iota // of it: what makes the index smaller, and what is the daemon's own
	half              // of the reserve is left: what changes what is indexed
	most              // the whole reserve is left: what adds
)

// leaves is how much room is left by what may use it.
func (s share) leaves(reserve int64) int64 { return reserve * int64(s) / int64(most) }

// shareOf is how much what was applied may use.
func shareOf(a *store.Applied) share {
	switch {
	case a.Added > a.Removed:
		return most
	case a.Removed > a.Added:
		return all
	}
	return half
}

// always is an item's needs where they are known before.
func always(s share) func() share { return func() share { return s } }

// may is how much an item may use, once it was done.
func (it *item) may() share {
	if it.needs == nil {
		return all
	}
	return it.needs()
}

// may is how much the batch may use: as much as the one of it that may use least.
func (w *writer) may() share {
	worst := all
	for i := range w.batch {
		worst = max(worst, w.batch[i].may())
	}
	return worst
}

// batchMost is how many bytes are committed at once: less where there is little room,
// so that what does not fit keeps little out that would.
func (w *writer) batchMost() int {
	most := w.queue / 2
	if room, limited := w.st.Room(); limited {
		most = min(most, max(int(room-w.st.Reserve())/8, batchLeast))
	}
	return most
}

// batchLeast keeps removals at the limit from being committed one by one.
const batchLeast = 32 << 10

// tryFit is tryCommit at the size limit: it turns away what does not fit. Any other
// error leaves the batch, or what is left of it, as it is.
func (w *writer) tryFit() error {
	for {
		err := w.tryCommit()
		if !errors.Is(err, store.ErrFull) {
			return err
		}
		poke(w.full)
		worst := w.may()
		if worst == all {
			return w.trySingly()
		}
		for i := len(w.batch) - 1; i >= 0; i-- {
			if w.batch[i].may() == worst {
				w.turnAway(i, worst, err)
			}
		}
	}
}

// trySingly commits a batch of which nothing is to be turned away, but not all fits at
// once, item by item.
func (w *writer) trySingly() error {
	whole := w.batch
	for i := range whole {
		w.batch, w.bytes = []item{whole[i]}, whole[i].bytes
		err := w.tryCommit()
		switch {
		case err == nil:
			w.fail(nil)
		case errors.Is(err, store.ErrFull):
			w.turnAway(0, all, err)
		default:
			w.batch, w.bytes = whole[i:], 0
			for _, it := range w.batch {
				w.bytes += it.bytes
			}
			return err
		}
	}
	w.batch, w.bytes = nil, 0
	return nil
}

// turnAway takes item i out of the batch, for which there is no room.
func (w *writer) turnAway(i int, s share, err error) {
	it := w.take(i)
	if it.root != nil || s == all { // else the postings', which is no loss
		it.root.lacks(s)
		w.refusals.Add(1)
		w.trouble.begins(err)
	}
	if it.done != nil {
		it.done(err)
	}
}

// roomier reports whether the batch took names away.
func (w *writer) roomier() bool {
	for i := range w.batch {
		if w.batch[i].needs != nil && w.batch[i].may() == all {
			return true
		}
	}
	return false
}

// short reports whether something was turned away that is not in the index yet. From
// any goroutine.
func (w *writer) short() bool { return w.refusals.Load() != w.forgiven.Load() }

// lack is what was turned away of a root and how far it is made up for.
type lack uint8

const (
	nothing lack = iota
	making       // it is looked for
	lacking      // something was turned away since that began
)

// lacks notes that something of a root, which may be nil, was turned away.
func (r *root) lacks(s share) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lack = lacking
	if s != most {
		r.lostAt = time.Now() // no directory's time tells of it
	}
}

// lacking reports whether something of a root was turned away since it was looked at.
func (r *root) lacking() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lack == lacking
}

// short reports whether something of a root was turned away that is not in the index yet.
func (r *root) short() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lack != nothing
}

// makingUp looks again at roots of which something was turned away. Confined to Run's
// goroutine.
type makingUp struct {
	first time.Duration // pause before the first attempt
	pause time.Duration // to the next one
	timer *time.Timer
	armed bool
	due   time.Time     // what the timer is set to
	begun time.Time     // of the last attempt
	took  time.Duration // so far
	going bool          // its looks are not all done
	seen  uint64        // writer.refusals when it began
}

const (
	// makeUpFirst: after something was turned away, or went, and then half as often
	// each time, down to once in makeUpMost of it: five minutes.
	makeUpFirst = 2 * time.Second
	makeUpMost  = 128
	// makeUpShare bounds what attempts cost: a twentieth of the time, where one takes
	// less than a twentieth of the longest pause.
	makeUpShare = 20
)

func (m *makingUp) init(first time.Duration) {
	if first == 0 {
		first = makeUpFirst
	}
	m.first, m.pause = first, first
	m.timer = time.NewTimer(first)
	m.timer.Stop()
}

// arm sets the timer, unless it is set to a moment before.
func (m *makingUp) arm() {
	due := time.Now().Add(m.pause)
	if least := m.begun.Add(min(makeUpShare*m.took, makeUpMost*m.first)); due.Before(least) {
		due = least
	}
	if !m.armed || due.Before(m.due) {
		m.armed, m.due = true, due
		m.timer.Reset(time.Until(due))
	}
}

// makeUpSoon has what was turned away looked for as after it was turned away first: there
// may be room for it. From any goroutine.
func (x *Indexer) makeUpSoon() {
	if x.writer.short() {
		x.writer.sooner.Store(true)
		x.nudge()
	}
}

// turnedAway is called when something was.
func (x *Indexer) turnedAway() {
	x.makingUp.arm()
	x.compactForRoom()
}

// makeUpFor has what is in a root and not in the index listed, if anything was turned
// away: in place of a sweep, but behind what else is done for the root.
func (x *Indexer) makeUpFor(r *root) {
	rules := x.rules.Load().Fingerprint()
	r.mu.Lock()
	known := r.stored.Complete && r.stored.Rules == rules
	begin := r.lack == lacking && (known || r.busy == "")
	if begin {
		r.lack = making
		r.again = r.again || known
	}
	r.mu.Unlock()
	switch {
	case begin && known:
		x.lookAgain(r)
	case begin:
		x.startRoot(r)
	}
}

// makeUp begins an attempt.
func (x *Indexer) makeUp() {
	m := &x.makingUp
	m.armed = false
	if !x.writer.short() {
		return
	}
	if m.going {
		m.arm()
		return
	}
	m.pause = min(2*m.pause, makeUpMost*m.first)
	m.going, m.begun, m.seen = true, time.Now(), x.writer.refusals.Load()
	clear(x.settling.tries)
	x.unsettled.Store(0)
	for _, r := range x.allRoots() {
		x.makeUpFor(r)
	}
	m.arm()
	x.goes.Go(func() {
		if x.epochs.wait(x.running) != nil {
			return
		}
		x.later(func() {
			m.going, m.took = false, time.Since(m.begun)
			x.madeUp()
		})
	})
}

// madeUp notes it where nothing is lacking any more.
func (x *Indexer) madeUp() {
	m := &x.makingUp
	if x.writer.sooner.Swap(false) && x.writer.short() {
		m.pause = m.first
		m.arm()
	}
	if m.going || !x.writer.short() {
		return
	}
	for _, r := range x.allRoots() {
		r.mu.Lock()
		if r.lack != nothing && (r.busy == Index || r.busy == Reconcile) {
			m.took = time.Since(m.begun)
		}
		r.mu.Unlock()
	}
	if x.writer.refusals.Load() != m.seen || !x.settled() {
		return
	}
	for _, r := range x.allRoots() {
		r.mu.Lock()
		wants := r.lack == lacking || r.lack == making && (r.busy != "" || r.again)
		r.mu.Unlock()
		if wants {
			return
		}
	}
	for _, r := range x.allRoots() {
		r.mu.Lock()
		made := r.lack == making
		if made {
			r.lack = nothing
		}
		r.mu.Unlock()
		if made {
			x.lookAgain(r) // at sizes and times
		}
	}
	m.pause = m.first
	x.writer.forgiven.Store(m.seen)
	x.goes.Go(func() { _ = x.writer.flush(x.running) }) // with which it says that all is well
}
