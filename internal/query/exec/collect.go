package exec

import (
	"sync/atomic"

	"indexd/internal/query"
	"indexd/store/record"
)

// counter counts the matches of one worker.
type counter struct {
	n     int64
	total *tally
}

// tally is shared by the counters of an answer.
type tally struct {
	limit int64 // 0 means none
	n     atomic.Int64
}

func (c *counter) want(*walk) bool { return true }

func (c *counter) all(rd *round, rec *record.Record) bool {
	n := rec.Agg().Count
	c.n += int64(n)
	c.reached(rd, int64(n))
	return true
}

func (c *counter) names(rd *round, w *walk) bool {
	if w.ev.truth == query.True {
		return false
	}
	n, ok := w.ev.m.Count(w.rec.Names())
	if n > 0 {
		c.n += int64(n)
		c.reached(rd, int64(n))
	}
	return ok
}

func (c *counter) add(rd *round, _ *task, _ *walk, _ *matches) bool {
	c.n++
	return !c.reached(rd, 1)
}

// reached counts n towards the limit. It ends the round and returns true if the limit is reached.
func (c *counter) reached(rd *round, n int64) bool {
	if c.total.limit == 0 || c.total.n.Add(n) < c.total.limit {
		return false
	}
	rd.stop.Store(true)
	return true
}

// lister puts matches into the rows of their tasks.
type lister struct{ a *answer }

func (l lister) want(*walk) bool                 { return true }
func (l lister) all(*round, *record.Record) bool { return false }
func (l lister) names(*round, *walk) bool        { return false }

func (l lister) add(_ *round, t *task, w *walk, h *matches) bool {
	stat := !l.a.q.NamesOnly
	e, noMeta := h.entry(stat)
	t.rows.add(w.s, w.dir[2:], e, noMeta, stat)
	t.full = t.rows.size() >= l.a.buffer() || l.a.enough(t.rows.n, w.budget)
	return !t.full
}
