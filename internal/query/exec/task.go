package exec

import (
	"bytes"

	"indexd/internal/query"
	"indexd/store/record"
)

// task is a range of the index. One worker at a time scans it, in path order, in one or several
// rounds.
type task struct {
	from pos     // all before it is done
	to   pathKey // exclusive; nil is the end
	done bool
	full bool // it must wait for its rows to be given
	rows rows // used by listers

	start pos // the rows come after it
}

// worker does one goroutine's part of an answer, round after round.
type worker struct {
	walk
	collector
	matches matches
}

// collector takes the matches of one worker.
type collector interface {
	// want reports whether the collector may need any entry of the walk's record.
	want(w *walk) bool
	// all takes a record whose entries all match. It returns false to get each of them.
	all(rd *round, rec *record.Record) bool
	// names takes all matches of the walk's record, which is loaded. It returns false to get
	// each of them.
	names(rd *round, w *walk) bool
	// add takes a match. If it returns false, the task stops after it.
	add(rd *round, t *task, w *walk, h *matches) bool
}

// seekWork is how many units of work more it takes to look up a record than to read the next one.
const seekWork = 15

// scan works on t until it is done, or the collector or the budget stops it, but for at least
// one record.
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

// splitTask splits t into up to n tasks, in order, except within volumes of fewer than least
// directories. It splits between chunks of one directory only if exact is set, which says that
// all tasks are done in the snapshot of ks; another snapshot may have other chunks.
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

// minSpans is how many spans make a task, which takes about 0.2 ms.
const minSpans = 32

// splitSpans is splitTask for candidates that are spans.
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

// splitAt splits the last of tasks before the record of key.
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
