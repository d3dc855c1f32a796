package exec

import (
	"bytes"
	"fmt"
	"slices"
	"sync/atomic"

	"indexd/internal/access"
	"indexd/internal/query"
	"indexd/store"
	"indexd/store/record"
)

// byPath gives matches in path order, a directory before its contents, as they are found. A walk
// finds the directories; before it enters one, the entries of the directories above are given up
// to its name. Until then they wait in frames, each of which holds the matches of one record.
type byPath struct {
	a         *answer
	walk      walk
	evaluator *evaluator // of the records that frames load themselves
	c         *store.Cursor
	matches   matches
	stack     []*frame // each directory is in the one before it
	spare     []*frame
	path      pathKey // of the last frame, and so of all
	next      pathKey // of the walk's directory
	rows      rows
	budget    budget
	never     atomic.Bool

	at     pathKey // all up to this path is in rows or was given
	done   bool
	damage error
}

// frame is a directory of which not all matches have come.
type frame struct {
	s    *keyRange
	key  record.Key
	size int // of its pathKey, a beginning of byPath's path

	after string // all entries up to this name have come
	whole bool   // no other record has entries after it
	sight access.Visibility
	rec   *record.Record // the one that was loaded, or the walk's, until that goes on
	own   record.Record
	found []match // its matches
	next  int     // of them, the first that has not come
}

// match is an entry of a record: its number, and where its name begins.
type match struct{ i, start int32 }

func (a *answer) listByPath() error {
	b := &byPath{a: a, walk: walk{ev: newEvaluator(a.q)}, evaluator: newEvaluator(a.q)}
	defer func() {
		a.note(b.walk.damage)
		a.note(b.damage)
	}()
	a.cut = true // there is one task for all
	if p := a.after; p != nil {
		b.at = append(append(bytes.Clone(p.dir), 0), p.name...)
	}
	for !b.done && a.left() != 0 {
		a.wanted = a.left()
		at := b.at
		err := a.view(func(ks *keyspace) error {
			if at != nil { // there is more than one round of it
				defer ks.readAhead()()
			}
			b.round(ks)
			return nil
		})
		if err != nil {
			return err
		}
		if again, err := a.changed(); err != nil {
			return err
		} else if again {
			b.rows.reset()
			b.at, b.done = at, false
			continue
		}
		err = a.giveRows(&b.rows)
		a.more = a.more || a.left() == 0 && !b.done
		if err == errSlow {
			b.unlist()
			err = a.drain()
		} else if err == nil && !b.done {
			err = a.flushAll()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unlist drops the rows that were not given; they are found again.
func (b *byPath) unlist() {
	last := b.rows.given()
	b.at = append(append(last.dir, 0), last.name...)
	b.done, b.rows = false, rows{}
	b.stack, b.spare, b.matches = nil, nil, matches{}
}

// round continues until there are enough rows or the time is up.
func (b *byPath) round(ks *keyspace) {
	b.budget = newBudget(b.a, since(b.a.r.opt.Round), &b.never)
	b.evaluator.attach(ks)
	for _, ev := range [...]*evaluator{b.evaluator, b.walk.ev} {
		ev.m.Interrupt(b.budget.gone)
	}
	b.c = ks.sn.Cursor(nil, nil)
	b.resume(ks)
	w := &b.walk
	var begun record.Key // the first directory, at least which is done
	for w.next() {
		// Of a directory in chunks it may be that not the record is a candidate, but
		// one of them.
		big := !w.out && (w.chunk || w.rec.Chunked())
		if big {
			w.passChunks()
		}
		if !b.upTo(w) {
			return
		}
		if begun == nil {
			begun = w.dir
		} else if b.budget.due(1) && (b.budget.cancelled || !w.dir.Equal(begun)) {
			b.at = w.s.pathKey(w.dir)
			return
		}
		if !w.out && !w.unwanted() && !b.enter(w, big) {
			return
		}
	}
	for len(b.stack) > 0 {
		if !b.drain(nil) {
			return
		}
		b.pop()
	}
	b.done = true
}

// enter makes a frame for the walk's directory. big says that it has chunks. It returns false if
// the round ends.
func (b *byPath) enter(w *walk, big bool) bool {
	if !big && !w.load() {
		return true
	}
	b.path = w.s.appendPathKey(b.path[:0], w.dir)
	f := b.push(w.s, w.dir, "")
	if big {
		return true
	}
	f.rec, f.sight, f.whole = w.rec, w.ev.sight, true
	if !b.match(f, w.ev) {
		return false
	}
	switch {
	case len(f.found) == 0:
		b.pop()
	case w.rec.Agg().Dirs == 0:
		// Nothing comes in between.
		if !b.drain(nil) {
			return false
		}
		b.pop()
	default:
		f.own = *w.rec
		f.rec = &f.own
	}
	return true
}

// match finds the matches in f's record with an evaluator that has entered its directory. It
// returns false if the context is done.
func (b *byPath) match(f *frame, ev *evaluator) bool {
	f.found, f.next = f.found[:0], 0
	h := &b.matches
	h.begin(ev, f.rec, &pos{name: f.after})
	b.budget.work += len(h.names) / 16
	for h.next() {
		f.found = append(f.found, match{int32(h.number()), int32(h.start)})
	}
	return !b.budget.cancelled
}

// resume makes frames for the directories above the place where the last round stopped, and goes
// before the first directory after it.
func (b *byPath) resume(ks *keyspace) {
	for len(b.stack) > 0 {
		b.pop()
	}
	b.walk.begin(ks, pos{dir: b.at}, nil)
	top := slices.IndexFunc(ks.scopes, func(s scope) bool { return b.at.within(s.top) })
	if b.at == nil || top < 0 {
		return
	}
	b.path = append(b.path[:0], b.at...)
	for size := len(ks.scopes[top].top); size < len(b.at); {
		dir := b.at[:size:size]
		name := b.at.child(dir)
		if s := ks.find(dir); s != nil {
			b.push(s, s.key(dir), string(name)).size = size
		}
		size += 1 + len(name)
	}
}

// push adds a frame for the directory at path.
func (b *byPath) push(s *keyRange, key record.Key, after string) *frame {
	f := new(frame)
	if n := len(b.spare); n > 0 {
		f, b.spare = b.spare[n-1], b.spare[:n-1]
	}
	f.s, f.key, f.size, f.after = s, key, len(b.path), after
	f.whole, f.rec, f.found, f.next = false, nil, f.found[:0], 0
	b.stack = append(b.stack, f)
	return f
}

func (b *byPath) pop() {
	n := len(b.stack) - 1
	b.spare = append(b.spare, b.stack[n])
	b.stack = b.stack[:n]
	if n > 0 {
		b.path = b.path[:b.stack[n-1].size]
	}
}

// upTo gives all matches up to the walk's directory. It returns false if the round ends.
func (b *byPath) upTo(w *walk) bool {
	for len(b.stack) > 0 {
		f := b.stack[len(b.stack)-1]
		dir := b.path[:f.size]
		if w.s.within(w.dir, dir) {
			b.next = w.s.appendPathKey(b.next[:0], w.dir)
			return b.drain(b.next.child(dir))
		}
		if !b.drain(nil) {
			return false
		}
		b.pop()
	}
	return true
}

// drain gives the matches of the last frame up to a name, or all if it is nil. It returns false
// if the round ends.
func (b *byPath) drain(upTo []byte) bool {
	f := b.stack[len(b.stack)-1]
	stat := !b.a.q.NamesOnly
	for {
		for f.next < len(f.found) {
			m := f.found[f.next]
			name := nameFrom(f.rec.Names(), int(m.start))
			if upTo != nil && name > string(upTo) {
				return true
			}
			e, noMeta := b.evaluator.show(f.rec, int(m.i), name, f.sight, stat)
			b.rows.add(f.s, f.key[2:], e, noMeta, stat)
			f.next, f.after = f.next+1, name
			if b.rows.size() >= b.a.buffer() || b.a.enough(b.rows.n, &b.budget) || b.budget.due(2) {
				b.at = append(append(f.s.pathKey(f.key), 0), name...)
				return false
			}
		}
		if f.whole || upTo != nil && f.after >= string(upTo) {
			return true
		}
		if !b.load(f) {
			return false
		}
	}
}

// load finds the next record of f that has matches, if any. It returns false if the context is
// done.
func (b *byPath) load(f *frame) bool {
	ev := b.evaluator
	if !ev.inside(f.key) {
		ev.enter(f.s, f.key, nil)
	}
	f.whole = true
	if ev.closed() {
		return true
	}
	f.sight = ev.sight
	for b.c.SeekAfter(f.key, f.after); b.c.Next() && b.c.Dir().Equal(f.key); {
		rec := b.c.Record()
		if rec.Chunked() || ev.truth != query.True && ev.needZone && ev.skips(rec.Agg()) {
			continue
		}
		if err := rec.Load(); err != nil {
			b.damaged(fmt.Errorf("directory %s: %w", f.s.pathKey(f.key).path(), err))
			continue
		}
		f.own = *rec
		f.rec = &f.own
		if !b.match(f, ev) {
			return false
		}
		if len(f.found) > 0 {
			_, chunk := b.c.Chunk()
			f.whole = !chunk
			break
		}
	}
	b.damaged(b.c.Err())
	return true
}

func (b *byPath) damaged(err error) {
	if b.damage == nil {
		b.damage = err
	}
}
