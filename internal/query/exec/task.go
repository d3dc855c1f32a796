package exec

import (
	"bytes"

	"indexd/internal/query"
	"indexd/store/record"
)

// A task is a range of the index that one worker scans, in path order, in one
// round or over several.
type task struct {
	from pos     // what is before it is done
	to   pathKey // exclusive; nil: the end
	done bool
	full bool // it is not to be gone on with now
	rows rows // a lister's

	start pos // what is in rows is behind it
}

// worker is one goroutine's part in an answer, round after round.
type worker struct {
	walk
	collector
	matches matches
}

// A collector takes what a worker finds.
type collector interface {
	// want reports whether any entry of the walk's record can be wanted.
	want(w *walk) bool
	// all is told that all entries of the record match. false: it wants to see
	// each.
	all(rd *round, rec *record.Record) bool
	// names is asked to take all matches of the walk's record, which is loaded, at
	// once. false: it wants to see each.
	names(rd *round, w *walk) bool
	// add takes a match. false: the task stops behind it.
	add(rd *round, t *task, w *walk, h *matches) bool
}

// seekWork is how much more work it is to look for a record than to go on to the
// next, in a budget's units.
const seekWork = 15

// scan goes on with t until it is done, or the collector or the budget says
// stop. It goes at least one record on.
func (w *worker) scan(rd *round, t *task, budget *budget) {
	w.begin(rd.ks, t.from, t.to)
	w.budget = budget
	w.ev.m.Interrupt(budget.gone)
	for n := 0; w.next(); n++ {
		if n > 0 && budget.due(1) {
			t.from = w.here()
			return
		}
		if w.out {
			continue
		}
		if w.spans != nil {
			budget.work += seekWork
		}
		inChunks := w.rec.Chunked()
		if w.unwanted() || !w.want(&w.walk) {
			if inChunks {
				w.passChunks()
			}
			continue
		}
		if inChunks {
			continue
		}
		resumed := w.resumed()
		if w.ev.truth == query.True && resumed == nil && w.all(rd, w.rec) {
			continue
		}
		if !w.load() {
			continue
		}
		budget.work += len(w.rec.Names()) / 16
		if resumed == nil && w.names(rd, &w.walk) {
			continue
		}
		w.matches.begin(w.ev, w.rec, resumed)
		for w.matches.next() {
			if !w.add(rd, t, &w.walk, &w.matches) || budget.due(2) {
				t.from = w.behind(&w.matches)
				return
			}
		}
		if budget.cancelled {
			return
		}
	}
	t.done = true
}

// splitTask cuts t into up to n tasks in order, where they are of volumes of at
// least that many directories. It cuts between chunks of one directory only
// where exact, which means that all are done in the snapshot of ks: in another
// the chunks may be others.
func splitTask(ks *keyspace, t *task, n int, least uint64, exact bool) []*task {
	type part struct {
		s      *keyRange
		lo, hi pathKey
	}
	if c := ks.cand; c != nil && c.inSpans && c.dir == nil {
		return splitSpans(ks, t, n, exact)
	}
	var parts []part
	var total uint64 // directories
	for i := range ks.ranges {
		s := &ks.ranges[i]
		if lo, hi := s.clip(t.from.dir, t.to); bytes.Compare(lo, hi) < 0 {
			parts = append(parts, part{s, lo, hi})
			total += s.volume.Counts.Dirs
		}
	}
	tasks := []*task{t}
	for _, p := range parts {
		dirs := p.s.volume.Counts.Dirs
		share := int(uint64(n) * dirs / max(total, 1))
		if share < 2 || dirs < least {
			continue
		}
		for _, key := range ks.sn.Splits(p.s.key(p.lo), p.s.key(p.hi), share) {
			tasks = splitAt(tasks, p.s, key, exact)
		}
	}
	return tasks
}

// minSpans is how many spans a task is worth: about 0.2 ms.
const minSpans = 32

// splitSpans is splitTask where the candidates are single records.
func splitSpans(ks *keyspace, t *task, n int, exact bool) []*task {
	type part struct {
		s     *keyRange
		spans []span
	}
	var parts []part
	total := 0
	for i := range ks.ranges {
		s := &ks.ranges[i]
		if lo, hi := s.clip(t.from.dir, t.to); bytes.Compare(lo, hi) < 0 {
			if p := ks.cand.within(s.key(lo), s.key(hi)); len(p) > 0 {
				parts = append(parts, part{s, p})
				total += len(p)
			}
		}
	}
	share := max((total+n-1)/n, minSpans)
	tasks := []*task{t}
	for at := share; len(parts) > 0; {
		p := &parts[0]
		if at >= len(p.spans) {
			at -= len(p.spans)
			parts = parts[1:]
			continue
		}
		tasks = splitAt(tasks, p.s, p.spans[at].lo, exact)
		at += share
	}
	return tasks
}

// splitAt cuts the last of tasks before the record of key.
func splitAt(tasks []*task, s *keyRange, key record.Key, exact bool) []*task {
	dir, first, chunk := record.SplitChunk(key)
	at := pos{dir: s.pathKey(dir)}
	if chunk && exact {
		at.name, at.incl = first, true
	}
	if last := tasks[len(tasks)-1]; at.after(&last.from) {
		tasks = append(tasks, &task{from: at, to: last.to})
		last.to = at.bound()
	}
	return tasks
}
