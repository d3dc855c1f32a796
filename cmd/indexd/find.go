package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"indexd/internal/query"
	"indexd/internal/query/exec"
	"indexd/internal/query/plan"
	"indexd/ipc/server"
	"indexd/ipc/wire"
	"indexd/store"
)

// Find implements server.Daemon.
func (d *daemon) Find(ctx context.Context, p server.Peer, req *wire.FindRequest, sink exec.Sink) (wire.Trailer, error) {
	var t wire.Trailer
	plan, err := compile(req)
	if err != nil {
		return t, err
	}
	if req.Explain {
		t.Plan = plan.Explain()
	}
	var asked time.Time // nothing that decides may be older
	if req.Sync > 0 {
		asked = time.Now()
	}
	pr := d.principal(p, asked)
	for _, dir := range plan.In() {
		if !d.x.Within(dir) || !pr.enters(dir) {
			return t, pr.outside(ctx, dir)
		}
	}
	if req.Sync > 0 {
		if t.SyncMissed, err = d.sync(ctx, plan.In(), time.Duration(req.Sync)); err != nil {
			return t, err
		}
	}
	key, _ := req.Sort.Key()
	metadata := plan.NeedsMeta() || !req.PathsOnly && !req.Count || key.NeedsMeta
	stale := d.x.Stale(plan.In(), metadata) // before the search, which may take a while
	ask := &exec.Query{
		Plan: plan, Sort: req.Sort, Reverse: req.Reverse, Limit: req.Limit, Count: req.Count,
		NamesOnly: req.PathsOnly, After: req.After,
	}
	var v *viewer
	if !pr.all {
		v = pr.viewer()
		ask.Viewer = v
	}
	sum, err := d.runner.Find(ctx, ask, sink)
	if errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrDamaged) {
		// Everything readable was sent. The store itself reports damage that needs a new
		// database.
		err = nil
		d.x.RequestVerify()
		for _, path := range d.x.Touched(plan.In()) {
			stale = append(stale, wire.Stale{Path: path, Reason: wire.StaleDamaged})
		}
	} else if err == nil && len(sum.Missing) > 0 && d.x.VerifyPending() {
		for _, path := range d.x.Touched(sum.Missing) {
			stale = append(stale, wire.Stale{Path: path, Reason: wire.StalePending})
		}
	} else if err == nil && len(sum.Missing) > 0 {
		err = pr.outside(ctx, sum.Missing[0])
	}
	t.Count = sum.Count
	if pr.all { // to others the clocks would tell of changes that they may not see
		t.FirstClock, t.LastClock = d.clock(sum.FirstClock), d.clock(sum.LastClock)
	} else {
		t.Stale = v.missed
	}
	t.Stale = append(t.Stale, slices.DeleteFunc(stale, func(s wire.Stale) bool { return !pr.enters(s.Path) })...)
	t.Stale = append(t.Stale, sum.Stale...)
	t.StaleMore, t.Changed, t.Next = sum.StaleMore, sum.Changed, sum.Next
	t.Complete = err == nil && len(t.Stale) == 0 && t.Changed == 0
	return t, problem(err)
}

// compile turns a request into a plan. It resolves req first if the client has not.
func compile(req *wire.FindRequest) (*plan.Plan, error) {
	if err := knownNames(req); err != nil {
		return nil, err
	}
	if req.Unresolved {
		env := &query.Env{Now: time.Now(), Loc: time.Local, LookupUser: lookupUser, LookupGroup: lookupGroup}
		if err := req.Resolve(env); err != nil {
			return nil, badQuery(err)
		}
	}
	plan, err := plan.Compile(&req.Request)
	return plan, badQuery(err)
}

// knownNames rejects unknown modes, cases and orders. Nobody can type them in a query,
// so the request itself is wrong.
func knownNames(req *wire.FindRequest) error {
	for _, f := range []struct {
		name, value string
		known       []string
	}{
		{"mode", string(req.Mode), query.ModeNames()},
		{"case", string(req.Case), query.CaseNames()},
		{"sort", string(req.Sort), query.SortNames()},
	} {
		if f.value != "" && !slices.Contains(f.known, f.value) {
			return wire.ErrBadRequest.With("%s must be one of %s, not %q", f.name, strings.Join(f.known, ", "), f.value)
		}
	}
	return nil
}

func badQuery(err error) error {
	var syntax *query.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	problem := wire.ErrBadQuery.With("%s", syntax.Msg)
	problem.Text, problem.Pos, problem.Hint = syntax.Text, syntax.Pos, syntax.Hint
	return problem
}

func lookupUser(name string) (uint32, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(n), err
}

func lookupGroup(name string) (uint32, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(g.Gid, 10, 32)
	return uint32(n), err
}

// outside returns why a directory cannot be searched.
func (pr *principal) outside(ctx context.Context, dir string) error {
	why := "it is not in the index"
	if e, hidden, err := pr.explain(ctx, dir); err == nil && hidden {
		why = "permission denied"
	} else if err == nil && e.Reason != "" {
		why = e.Reason
	} else if err == nil && e.Indexed {
		why = "it is not a directory"
	}
	return wire.ErrOutside.With("%s: %s", dir, why)
}

// sync waits, but no longer than limit, until the index includes every change below dirs
// that was made before the call. Without dirs it waits for all roots.
func (d *daemon) sync(ctx context.Context, dirs []string, limit time.Duration) (missed bool, err error) {
	resume := server.Waiting(ctx)
	tooLate := errors.New("--sync: not met in time")
	wait, cancel := context.WithTimeoutCause(ctx, limit, tooLate)
	defer cancel()
	if err = d.x.Sync(wait, dirs); errors.Is(err, tooLate) {
		missed, err = true, nil
	}
	if err != nil {
		return false, fmt.Errorf("sync: %w", problem(err))
	}
	return missed, resume()
}
