package exec

import (
	"bytes"
	"unsafe"

	"indexd/internal/access"
	"indexd/internal/query"
	"indexd/internal/query/plan"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// evaluator matches entries against the plan, directory by directory. It is for one goroutine
// and one snapshot at a time; see attach.
type evaluator struct {
	q         *plan.Plan
	visible   func(string, record.Key, *record.Origin) access.Visibility // nil: all is seen
	m         *plan.Matcher
	needPath  bool
	needMeta  bool
	needEmpty bool
	needZone  bool // skips may return true

	ks   *keyspace
	next Ahead // of the directory entered; nil if it is not known what follows

	// The directory that was entered.
	s     *keyRange
	dir   record.Key
	truth query.Truth
	sight access.Visibility

	buf    []byte // its path
	origin record.Origin

	child   *store.Cursor // for looking up children; nil before the first
	zone    query.Zone
	e       listing.Entry
	row     plan.Row
	decoded bool // e is the current entry, with all its fields
}

func newEvaluator(q *Query) *evaluator {
	p := q.Plan
	ev := &evaluator{
		q: p, m: p.NewMatcher(),
		needPath: p.NeedsPath(), needMeta: p.NeedsMeta(), needEmpty: p.NeedsEmptyDir(),
		// Where nothing but the type counts, two zones tell.
		needZone: p.NeedsMeta() || !p.Zone(&query.Zone{Count: 1}) || !p.Zone(&query.Zone{Count: 1, Dirs: 1}),
	}
	if q.Viewer != nil {
		ev.visible = q.Viewer.Look(func(add func(string, *record.Origin) bool) {
			if ev.next != nil {
				ev.next(add)
			}
		})
	}
	return ev
}

// attach sets the keyspace. It forgets the directory, which may alias a snapshot that has ended.
func (ev *evaluator) attach(ks *keyspace) { ev.ks, ev.s, ev.dir, ev.child = ks, nil, nil, nil }

// inside reports whether dir is the directory that was entered last.
func (ev *evaluator) inside(dir record.Key) bool { return ev.s != nil && bytes.Equal(ev.dir, dir) }

// enter makes dir, in s, the current directory. rec is its record, or nil if the caller does not
// have it. below is false if nothing below it can match or may be shown.
func (ev *evaluator) enter(s *keyRange, dir record.Key, rec *record.Record) (below bool) {
	ev.s, ev.dir = s, dir
	path := ""
	if ev.needPath || ev.visible != nil {
		path = ev.path(s, dir)
	}
	ev.truth = ev.m.Enter(path, s.depth+dir.Depth())
	below = ev.m.Below()
	ev.sight = access.Full
	if ev.visible == nil || ev.truth == query.False && !below {
		return below
	}
	if s.volume.Offline {
		ev.sight = access.None
		return false
	}
	if rec == nil {
		r, ok, err := ev.ks.sn.Record(dir)
		if !ok || err != nil {
			ev.sight = access.None
			return false
		}
		rec = &r
	}
	ev.origin = rec.Origin()
	ev.sight = ev.visible(path, dir, &ev.origin)
	return below && (ev.sight == access.Full || ev.sight == access.Traverse)
}

// hidden reports whether no entry of the current directory may be shown.
func (ev *evaluator) hidden() bool { return ev.sight == access.Traverse || ev.sight == access.None }

// closed reports whether no entry of the current directory can be shown.
func (ev *evaluator) closed() bool {
	return ev.truth == query.False || ev.hidden()
}

// path returns the directory's path, valid until the next call.
func (ev *evaluator) path(s *keyRange, dir record.Key) string {
	if ev.buf = s.appendPathKey(ev.buf[:0], dir); len(ev.buf) == 0 {
		return "/"
	}
	slashes(ev.buf)
	return text(ev.buf)
}

// skips reports whether no entry that agg describes can match.
func (ev *evaluator) skips(agg *record.Aggregates) bool {
	ev.zone = query.Zone{
		Count: agg.Count, Dirs: agg.Dirs, MinSize: agg.MinSize, MaxSize: agg.MaxSize,
		Oldest: agg.Oldest, Newest: agg.Newest,
	}
	return !ev.q.Zone(&ev.zone)
}

// matches goes through the entries of one record that match. It can be used for any number of
// records.
//
//	h.begin(ev, rec, p)
//	for h.next() {
//		use(h.name)
//	}
type matches struct {
	ev    *evaluator
	rec   *record.Record
	names []byte
	at    int // where the name after the current one begins

	name  string // of the match; aliases the database
	start int    // where it begins in names

	i, ipos int // entry number i begins at names[ipos]
}

// begin goes before the first entry of a record, which must be loaded, or, if p is not nil, after
// p, which is in the current directory of ev.
func (h *matches) begin(ev *evaluator, rec *record.Record, p *pos) {
	*h = matches{ev: ev, rec: rec, names: rec.Names()}
	if p != nil && !p.atStart() {
		for h.at < len(h.names) && p.passed(nameFrom(h.names, h.at)) {
			h.at += bytes.IndexByte(h.names[h.at:], 0) + 1
		}
	}
}

// next goes to the next match and reports whether there is one. It returns false once the matcher
// was interrupted.
func (h *matches) next() bool {
	ev := h.ev
	for h.at < len(h.names) {
		start := h.at
		if ev.truth != query.True {
			k := ev.m.Next(h.names, start)
			if k < 0 {
				break
			}
			start += bytes.LastIndexByte(h.names[start:k], 0) + 1
			h.at = k + bytes.IndexByte(h.names[k:], 0) + 1
		} else {
			h.at += bytes.IndexByte(h.names[start:], 0) + 1
		}
		h.start = start
		h.name = text(h.names[start : h.at-1])
		ev.decoded = false
		if ev.truth == query.True {
			return true
		}
		switch ev.m.Name(h.name, listing.Unknown) {
		case query.True:
			return true
		case query.Unknown:
			if ev.match(h) {
				return true
			}
		}
	}
	h.at = len(h.names)
	return false
}

// number returns the number of the current entry in its record.
func (h *matches) number() int {
	h.i += bytes.Count(h.names[h.ipos:h.start], []byte{0})
	h.ipos = h.start
	return h.i
}

// entry returns what may be shown of the current entry, valid until the next one, and whether that
// is only name and type. Without meta, it returns only the name.
func (h *matches) entry(meta bool) (e *listing.Entry, noMeta bool) {
	if meta && h.ev.decoded {
		return &h.ev.e, h.ev.noMeta(h.ev.sight)
	}
	i := 0
	if meta {
		i = h.number()
	}
	return h.ev.show(h.rec, i, h.name, h.ev.sight, meta)
}

// show is entry for any entry of any directory.
func (ev *evaluator) show(rec *record.Record, i int, name string, sight access.Visibility, meta bool) (e *listing.Entry, noMeta bool) {
	if !meta {
		ev.e, ev.decoded = listing.Entry{Name: name}, false
		return &ev.e, false
	}
	ev.decode(rec, i, sight)
	return &ev.e, ev.noMeta(sight)
}

func (ev *evaluator) noMeta(sight access.Visibility) bool {
	return sight == access.List || ev.e.StatErrno != 0
}

// decode reads entry i, all that may be seen of it.
func (ev *evaluator) decode(rec *record.Record, i int, sight access.Visibility) {
	rec.Entry(i, &ev.e)
	if sight == access.List {
		ev.e = bare(ev.e.Name, ev.e.Type())
	}
	ev.decoded = true
}

func bare(name string, t listing.Type) listing.Entry {
	return listing.Entry{Name: name, Stat: listing.Stat{Mode: uint32(t) << 12}}
}

// match decides if the name alone does not.
func (ev *evaluator) match(h *matches) bool {
	if ev.needMeta {
		ev.decode(h.rec, h.number(), ev.sight)
	} else {
		ev.e = bare(h.name, h.rec.Type(h.number()))
	}
	ev.row = plan.Row{Entry: &ev.e, NoMeta: !ev.decoded || ev.noMeta(ev.sight)}
	if ev.needEmpty && ev.e.Type() == listing.Dir {
		ev.row.Empty = ev.empty(h.name)
	}
	return ev.m.Match(&ev.row)
}

// empty reports whether a directory in the current one has no entries. It is unknown if that is
// not known or may not be shown.
func (ev *evaluator) empty(name string) query.Truth {
	s, key := ev.ks.child(ev.s, ev.dir, name)
	if ev.child == nil {
		ev.child = ev.ks.sn.Cursor(key, nil)
	} else {
		ev.child.Seek(key)
	}
	if !ev.child.Next() || !ev.child.Dir().Equal(key) {
		return query.Unknown
	}
	h := ev.child.Record().Header()
	if h.Listed.IsZero() || h.InProgress && h.Agg.Count == 0 {
		return query.Unknown
	}
	if ev.visible != nil {
		if s.volume.Offline {
			return query.Unknown
		}
		origin := h.Origin()
		var path [256]byte
		pk := s.appendPathKey(path[:0], key)
		if sight := ev.visible(string(appendPath(nil, pk)), key, &origin); sight == access.Traverse || sight == access.None {
			return query.Unknown
		}
	}
	if h.Agg.Count == 0 {
		return query.True
	}
	return query.False
}

// text returns a string that aliases b.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// nameFrom returns the name that begins at names[at], which it aliases.
func nameFrom(names []byte, at int) string {
	names = names[at:]
	return text(names[:bytes.IndexByte(names, 0)])
}
