package exec

import (
	"bytes"
	"unsafe"

	"indexd/internal/query"
	"indexd/listing"
	"indexd/store"
)

// judge asks the plan about entries, directory by directory. It is for one
// goroutine and one snapshot at a time; see attach.
type judge struct {
	q         *query.Plan
	visible   func(string, store.Key, *store.Origin) Sight // nil: all is seen
	m         *query.Matcher
	needPath  bool
	needMeta  bool
	needEmpty bool
	needZone  bool // skips may say yes

	g    *ground
	next Ahead // what comes behind the directory entered; nil: that is not known

	// The directory that was entered.
	s     *stretch
	dir   store.Key
	truth query.Truth
	sight Sight

	buf    []byte // its path
	origin store.Origin

	child   *store.Cursor // for looking up children; nil: none yet
	zone    query.Zone
	e       listing.Entry
	row     query.Row
	decoded bool // e is of the entry that is judged now, with all its fields
}

func newJudge(q *Query) *judge {
	p := q.Plan
	j := &judge{
		q: p, m: p.NewMatcher(),
		needPath: p.NeedsPath(), needMeta: p.NeedsMeta(), needEmpty: p.NeedsEmptyDir(),
		// Where nothing but the type counts, two zones tell.
		needZone: p.NeedsMeta() || !p.Zone(&query.Zone{Count: 1}) || !p.Zone(&query.Zone{Count: 1, Dirs: 1}),
	}
	if q.Viewer != nil {
		j.visible = q.Viewer.Look(func(add func(string, *store.Origin) bool) {
			if j.next != nil {
				j.next(add)
			}
		})
	}
	return j
}

// attach makes g what is judged. What was entered before is forgotten: it may
// alias a snapshot that has ended.
func (j *judge) attach(g *ground) { j.g, j.s, j.dir, j.child = g, nil, nil, nil }

// inside reports whether dir is the directory that was entered last.
func (j *judge) inside(dir store.Key) bool { return j.s != nil && bytes.Equal(j.dir, dir) }

// enter makes dir, in s, the directory whose entries are judged next. rec is its
// record; nil: not at hand. below is false where nothing below it can match
// or may be shown.
func (j *judge) enter(s *stretch, dir store.Key, rec *store.Record) (below bool) {
	j.s, j.dir = s, dir
	path := ""
	if j.needPath || j.visible != nil {
		path = j.path(s, dir)
	}
	j.truth = j.m.Enter(path, s.depth+dir.Depth())
	below = j.m.Below()
	j.sight = SeeAll
	if j.visible == nil || j.truth == query.False && !below {
		return below
	}
	if s.volume.Offline {
		j.sight = SeeNothing
		return false
	}
	if rec == nil {
		r, ok, err := j.g.sn.Record(dir)
		if !ok || err != nil {
			j.sight = SeeNothing
			return false
		}
		rec = &r
	}
	j.origin = rec.Origin()
	j.sight = j.visible(path, dir, &j.origin)
	return below && (j.sight == SeeAll || j.sight == SeeBelow)
}

// hidden reports whether the directory entered is not to be known of.
func (j *judge) hidden() bool { return j.sight == SeeBelow || j.sight == SeeNothing }

// closed reports whether no entry of the directory entered is wanted.
func (j *judge) closed() bool {
	return j.truth == query.False || j.hidden()
}

// path returns the directory's path, valid until the next call.
func (j *judge) path(s *stretch, dir store.Key) string {
	if j.buf = s.appendPathKey(j.buf[:0], dir); len(j.buf) == 0 {
		return "/"
	}
	slashes(j.buf)
	return text(j.buf)
}

// skips reports whether no entry that agg describes can match.
func (j *judge) skips(agg *store.Aggregates) bool {
	j.zone = query.Zone{
		Count: agg.Count, Dirs: agg.Dirs, MinSize: agg.MinSize, MaxSize: agg.MaxSize,
		Oldest: agg.Oldest, Newest: agg.Newest,
	}
	return !j.q.Zone(&j.zone)
}

// hits goes through the entries of one record that match. The zero value is
// ready to begin, any number of times.
//
//	h.begin(judge, rec, p)
//	for h.next() {
//		use(h.name)
//	}
type hits struct {
	j     *judge
	rec   *store.Record
	names []byte
	at    int // the name after the one judged begins here

	name  string // of the match; aliases the database
	start int    // where it begins in names

	i, ipos int // entry number i begins at names[ipos]
}

// begin goes before the first entry of a record, which is Loaded, or, where p is
// not nil, behind p, which is in the directory that j has entered.
func (h *hits) begin(j *judge, rec *store.Record, p *pos) {
	*h = hits{j: j, rec: rec, names: rec.Names()}
	if p != nil && !p.atStart() {
		for h.at < len(h.names) && p.passed(nameFrom(h.names, h.at)) {
			h.at += bytes.IndexByte(h.names[h.at:], 0) + 1
		}
	}
}

// next goes to the next match and reports whether there is one. There is none
// once the matcher was interrupted.
func (h *hits) next() bool {
	j := h.j
	for h.at < len(h.names) {
		start := h.at
		if j.truth != query.True {
			k := j.m.Next(h.names, start)
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
		j.decoded = false
		if j.truth == query.True {
			return true
		}
		switch j.m.Name(h.name, listing.Unknown) {
		case query.True:
			return true
		case query.Unknown:
			if j.match(h) {
				return true
			}
		}
	}
	h.at = len(h.names)
	return false
}

// number returns which entry of the record the current one is.
func (h *hits) number() int {
	h.i += bytes.Count(h.names[h.ipos:h.start], []byte{0})
	h.ipos = h.start
	return h.i
}

// entry returns the current entry as far as it may be shown, valid until the
// next one is judged, and whether that is no more than name and type. Without
// meta it is the name alone.
func (h *hits) entry(meta bool) (e *listing.Entry, noMeta bool) {
	if meta && h.j.decoded {
		return &h.j.e, h.j.noMeta(h.j.sight)
	}
	i := 0
	if meta {
		i = h.number()
	}
	return h.j.show(h.rec, i, h.name, h.j.sight, meta)
}

// show is entry for any entry of any directory.
func (j *judge) show(rec *store.Record, i int, name string, sight Sight, meta bool) (e *listing.Entry, noMeta bool) {
	if !meta {
		j.e, j.decoded = listing.Entry{Name: name}, false
		return &j.e, false
	}
	j.decode(rec, i, sight)
	return &j.e, j.noMeta(sight)
}

func (j *judge) noMeta(sight Sight) bool { return sight == SeeNames || j.e.StatErrno != 0 }

// decode reads entry i, all that may be seen of it.
func (j *judge) decode(rec *store.Record, i int, sight Sight) {
	rec.Entry(i, &j.e)
	if sight == SeeNames {
		j.e = bare(j.e.Name, j.e.Type())
	}
	j.decoded = true
}

func bare(name string, t listing.Type) listing.Entry {
	return listing.Entry{Name: name, Stat: listing.Stat{Mode: uint32(t) << 12}}
}

// match decides where the name alone does not.
func (j *judge) match(h *hits) bool {
	if j.needMeta {
		j.decode(h.rec, h.number(), j.sight)
	} else {
		j.e = bare(h.name, h.rec.Type(h.number()))
	}
	j.row = query.Row{Entry: &j.e, NoMeta: !j.decoded || j.noMeta(j.sight)}
	if j.needEmpty && j.e.Type() == listing.Dir {
		j.row.Empty = j.empty(h.name)
	}
	return j.m.Match(&j.row)
}

// empty says whether the directory name in the one entered has no entries, where
// that is known and may be shown.
func (j *judge) empty(name string) query.Truth {
	s, key := j.g.child(j.s, j.dir, name)
	if j.child == nil {
		j.child = j.g.sn.Cursor(key, nil)
	} else {
		j.child.Seek(key)
	}
	if !j.child.Next() || !j.child.Dir().Equal(key) {
		return query.Unknown
	}
	h := j.child.Record().Header()
	if h.Listed.IsZero() || h.InProgress && h.Agg.Count == 0 {
		return query.Unknown
	}
	if j.visible != nil {
		if s.volume.Offline {
			return query.Unknown
		}
		origin := h.Origin()
		var path [256]byte
		pk := s.appendPathKey(path[:0], key)
		if sight := j.visible(string(appendPath(nil, pk)), key, &origin); sight == SeeBelow || sight == SeeNothing {
			return query.Unknown
		}
	}
	if h.Agg.Count == 0 {
		return query.True
	}
	return query.False
}

// text returns b as a string that aliases it.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// nameFrom returns the name that begins at names[at], which it aliases.
func nameFrom(names []byte, at int) string {
	names = names[at:]
	return text(names[:bytes.IndexByte(names, 0)])
}
