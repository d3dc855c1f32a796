package exec

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"indexd/store/dbfile"
)

// round is the work of one read transaction. Workers take the tasks that are neither done nor
// full, in order.
type round struct {
	a        *answer
	ks       *keyspace
	deadline time.Time // zero means none
	stop     atomic.Bool
	next     atomic.Int64
	buffered atomic.Int64 // bytes of rows in tasks other than the first
}

// round works on the tasks for at most limit, or until all are done if limit is 0. A collector
// may end it sooner.
func (a *answer) round(limit time.Duration, newCollector func() collector) error {
	return a.view(func(ks *keyspace) error { return a.roundIn(ks, limit, newCollector) })
}

// roundIn is round in a snapshot.
func (a *answer) roundIn(ks *keyspace, limit time.Duration, newCollector func() collector) error {
	rd := &round{a: a, ks: ks, deadline: since(limit)}
	a.hire(1, newCollector)
	if !a.cut && rd.alone() {
		return nil
	}
	defer ks.readAhead()()
	return rd.together(newCollector)
}

// hire makes sure that there are n workers.
func (a *answer) hire(n int, newCollector func() collector) {
	for len(a.workers) < n {
		w := &worker{collector: newCollector()}
		w.ev = newEvaluator(a.q)
		a.workers = append(a.workers, w)
	}
}

// alone works on the only task for a moment, which is enough for most answers. Then it looks up
// where the candidates are and splits the task. It returns true if the round is over.
func (rd *round) alone() bool {
	a := rd.a
	if a.r.tune.probe > 0 && (a.r.opt.Procs > 0 || rd.ks.cand != nil && rd.ks.cand.few && !rd.ks.cand.inSpans) {
		first := &round{a: a, ks: rd.ks, deadline: since(a.r.tune.probe)}
		if !rd.deadline.IsZero() && rd.deadline.Before(first.deadline) {
			first.deadline = rd.deadline
		}
		first.work(a.workers[0])
		if t := a.tasks[0]; t.done || t.full || first.stop.Load() || a.ctx.Err() != nil {
			return true
		}
	}
	a.cut = true
	a.settle(rd.ks)
	if a.r.opt.Procs == 0 {
		return false
	}
	a.tasks = splitTask(rd.ks, a.tasks[0], 4*(a.r.opt.Procs+1), a.r.tune.splitDirs, a.q.Count)
	return false
}

// together works on the tasks with this goroutine and as many helpers as are free. It returns
// when all have stopped.
func (rd *round) together(newCollector func() collector) (err error) {
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex // of the two below
		errs   []error
		thrown any
		ended  = false // this goroutine's own work, without a panic
	)
	defer func() {
		// Also in a panic: the transaction must not end under the others.
		if !ended {
			rd.stop.Store(true)
		}
		wg.Wait()
		if thrown != nil && ended {
			panic(thrown)
		}
		err = errors.Join(errs...)
	}()
	n := rd.open()
	for i := 1; i < n && rd.a.r.takeProc(); i++ {
		rd.a.hire(i+1, newCollector)
		w := rd.a.workers[i]
		wg.Go(func() {
			defer rd.a.r.procs.Add(1)
			defer func() {
				if p := recover(); p != nil {
					rd.stop.Store(true)
					mu.Lock()
					defer mu.Unlock()
					thrown = p
				}
			}()
			if err := dbfile.CatchCorruption(func() error { rd.work(w); return nil }); err != nil {
				rd.stop.Store(true)
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	rd.work(rd.a.workers[0])
	ended = true
	return nil
}

// takeProc takes one of the helpers that all queries share. The caller returns it by adding 1 to
// procs.
func (r *Runner) takeProc() bool {
	if r.procs.Add(-1) >= 0 {
		return true
	}
	r.procs.Add(1)
	return false
}

// open returns the number of tasks that are neither done nor full.
func (rd *round) open() int {
	n := 0
	for _, t := range rd.a.tasks {
		if !t.done && !t.full {
			n++
		}
	}
	return n
}

// take returns the next task; nil if there is none.
func (rd *round) take() *task {
	for !rd.stop.Load() {
		i := int(rd.next.Add(1)) - 1
		if i >= len(rd.a.tasks) || i > 0 && (rd.a.slow || rd.buffered.Load() >= int64(2*rd.a.r.opt.Buffer)) {
			break
		}
		t := rd.a.tasks[i]
		if !t.done && !t.full {
			return t
		}
		if i > 0 {
			rd.buffered.Add(int64(t.rows.size()))
		}
	}
	return nil
}

// work is what one worker does in a round.
func (rd *round) work(w *worker) {
	budget := newBudget(rd.a, rd.deadline, &rd.stop)
	for {
		t := rd.take()
		if t == nil {
			return
		}
		if t.rows.n == 0 {
			t.start = t.from
		}
		w.scan(rd, t, &budget)
		if t == rd.a.tasks[0] {
			if t.full || rd.a.wanted > 0 && t.rows.n >= rd.a.wanted {
				rd.stop.Store(true) // there is enough to give
			}
		} else {
			rd.buffered.Add(int64(t.rows.size()))
		}
		if !t.done && !t.full {
			return // the time is up
		}
	}
}
