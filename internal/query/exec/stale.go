package exec

import (
	"slices"
	"syscall"

	"indexd/internal/query"
	"indexd/ipc/wire"
	"indexd/store/record"
)

const (
	maxStale  = 16   // in Summary.Stale, of each kind
	maxSurvey = 1024 // pending or failed directories that are read; more are not counted
)

// survey notes, in the answer's first snapshot, which scopes are not in the index, and what in
// them is pending or offline or could not be read, up to a bound. The result does not depend on
// how matches are found.
func (a *answer) survey(ks *keyspace) {
	defer a.surveyFailed(ks)
	for i := range ks.scopes {
		s := &ks.scopes[i]
		told := a.tells(s.path)
		a.surveyVolumes(ks, i)
		key, ok := ks.sn.Locate(s.path)
		if !ok {
			if !a.surveyInside(ks, i) && (told || len(a.q.Plan.In()) > 0) {
				a.sum.Missing = append(a.sum.Missing, s.path)
			}
			continue
		}
		rec, known, err := ks.sn.Record(key)
		listed := known && err == nil && !rec.Header().Listed.IsZero()
		pending := ks.sn.IsPending(key)
		inside := a.surveyInside(ks, i)
		switch {
		case !told && len(a.q.Plan.In()) == 0:
		case pending && !listed:
			a.stale(wire.Stale{Path: s.path, Reason: wire.StaleNotListed})
		case pending:
			a.stale(wire.Stale{Path: s.path, Reason: wire.StalePending})
		case !known && err == nil && !inside:
			a.sum.Missing = append(a.sum.Missing, s.path)
		}
	}
}

// tells reports whether the answer may report a directory as stale.
func (a *answer) tells(dir string) bool { return a.q.Viewer == nil || a.q.Viewer.Lists(dir) }

// surveyVolumes notes the volumes of a scope that are offline.
func (a *answer) surveyVolumes(ks *keyspace, scope int) {
	if a.q.Viewer != nil {
		return
	}
	var seen []record.Volume
	for i := range ks.ranges {
		st := &ks.ranges[i]
		if st.scope != scope || !st.volume.Offline || slices.Contains(seen, st.volume.Volume) {
			continue
		}
		seen = append(seen, st.volume.Volume)
		a.stale(wire.Stale{Path: st.lo.path(), Reason: wire.StaleOffline})
	}
}

// surveyInside notes what is pending in a scope but the scope itself, and
// reports whether the scope has anything in the index.
func (a *answer) surveyInside(ks *keyspace, scope int) bool {
	n, any := 0, false
	for i := range ks.ranges {
		st := &ks.ranges[i]
		if st.scope != scope {
			continue
		}
		lo, hi := st.key(st.lo), st.key(st.hi)
		for key := range ks.sn.Pending(lo, hi) {
			any = true
			if n++; n > maxSurvey {
				break
			}
			path := st.pathKey(key).path()
			if path == ks.scopes[scope].path {
				continue
			}
			reason := wire.StaleNotListed
			if rec, ok, err := ks.sn.Record(key); ok && err == nil && !rec.Header().Listed.IsZero() {
				reason = wire.StalePending
			}
			s := wire.Stale{Path: path, Reason: reason}
			if a.q.Viewer != nil {
				// Report only the scope, and only once, since the check is expensive.
				s.Path = ks.scopes[scope].path
				if st.volume.Offline || slices.Contains(a.sum.Stale, s) || !a.tells(path) {
					continue
				}
			}
			a.stale(s)
		}
		if !any {
			c := ks.sn.Cursor(lo, hi)
			any = c.Next()
		}
	}
	return any
}

// surveyFailed notes the directories that could not be read, if they or anything below them may
// have matches.
func (a *answer) surveyFailed(ks *keyspace) {
	var ev *evaluator
	n := 0
	for i := range ks.ranges {
		st := &ks.ranges[i]
		for key, rec := range ks.sn.Failed(st.key(st.lo), st.key(st.hi)) {
			if n++; n > maxSurvey {
				return
			}
			if ev == nil {
				ev = newEvaluator(&Query{Plan: a.q.Plan})
				ev.attach(ks)
			}
			below := ev.enter(st, key, rec)
			if ev.truth == query.False && !below || a.q.Viewer != nil && st.volume.Offline {
				continue
			}
			if path := st.pathKey(key).path(); a.tells(path) {
				a.stale(wire.Stale{Path: path, Reason: syscall.Errno(rec.Header().Errno).Error()})
			}
		}
	}
}

// stale adds s to the summary, once.
func (a *answer) stale(s wire.Stale) {
	same := 0
	for _, t := range a.sum.Stale {
		if t == s {
			return
		}
		if t.Reason == s.Reason {
			same++
		}
	}
	if same == maxStale {
		a.sum.StaleMore++
		return
	}
	a.sum.Stale = append(a.sum.Stale, s)
}

// gather collects what the workers noted.
func (a *answer) gather() {
	for _, w := range a.workers {
		a.note(w.damage)
	}
}

// note keeps the first damage.
func (a *answer) note(damage error) {
	if a.damage == nil {
		a.damage = damage
	}
}
