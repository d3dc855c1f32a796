package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"indexd/ipc/wire"
	"indexd/listing"
)

// find answers GET and POST /v1/find.
func (q *request) find() error {
	var req wire.FindRequest
	if q.r.Method == http.MethodGet {
		if err := q.findParams(&req); err != nil {
			return err
		}
	} else if err := q.decode(&req); err != nil {
		return err
	}
	if err := clean(req.In); err != nil {
		return err
	}
	if req.Limit < 0 || req.MinDepth < 0 || req.MaxDepth < 0 || req.Sync < 0 {
		return wire.ErrBadRequest.With("limit, depths and sync cannot be negative")
	}
	if sorted := req.Sort != "" && req.Sort != "path" || req.Reverse; sorted && !req.Count {
		if err := q.sort.acquire(q.ctx); err != nil {
			return err
		}
	}
	ctx, err := q.work()
	if err != nil {
		return err
	}
	req.PathsOnly = acceptsPaths0(q.r)
	s := &sink{q: q, paths0: req.PathsOnly, full: q.s.opt.FirstPageSize}
	t, err := q.s.daemon.Find(ctx, q.peer, &req, s)
	if err != nil && q.status == 0 {
		return err
	}
	q.slot.release()
	q.sort.release()
	if err != nil {
		t.Error = q.problem(err)
		t.Complete = false
	}
	if t.Count == 0 {
		t.Count = s.rows
	}
	return s.end(&t)
}

// findParams reads the request from the parameters of a GET. The daemon then resolves
// dates and names.
func (q *request) findParams(req *wire.FindRequest) error {
	req.Unresolved = true
	texts := func(to *[]string) func([]string) error {
		return func(v []string) error { *to = v; return nil }
	}
	number := func(to *int) func([]string) error {
		return func(v []string) (err error) {
			last := v[len(v)-1]
			if *to, err = strconv.Atoi(last); err != nil {
				return fmt.Errorf("%q is not a whole number", last)
			}
			return nil
		}
	}
	yes := func(to *bool) func([]string) error {
		return func(v []string) (err error) { *to, err = flag(v); return err }
	}
	return q.params(map[string]func([]string) error{
		"q": texts(&req.Terms), "filter": texts(&req.Filters), "in": texts(&req.In), "exclude": texts(&req.Exclude),
		"mode": last(&req.Mode), "case": last(&req.Case), "sort": last(&req.Sort), "after": last(&req.After),
		"min_depth": number(&req.MinDepth), "max_depth": number(&req.MaxDepth), "limit": number(&req.Limit),
		"full_path": yes(&req.FullPath), "reverse": yes(&req.Reverse), "count": yes(&req.Count),
		"strict": yes(&req.Strict), "explain": yes(&req.Explain),
		"sync": func(v []string) error {
			d, err := time.ParseDuration(v[len(v)-1])
			if err != nil {
				return fmt.Errorf("%q is not a duration such as 30s", v[len(v)-1])
			}
			req.Sync = wire.Duration(d)
			return nil
		},
	})
}

// last sets *to to the last value of a parameter.
func last[T ~string](to *T) func([]string) error {
	return func(v []string) error { *to = T(v[len(v)-1]); return nil }
}

// acceptsPaths0 reports whether the client accepts raw paths.
func acceptsPaths0(r *http.Request) bool {
	for _, accept := range r.Header["Accept"] {
		for part := range strings.SplitSeq(accept, ",") {
			name, _, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(name), wire.TypePaths0) {
				return true
			}
		}
	}
	return false
}

// sink implements exec.Sink for a find request.
type sink struct {
	q      *request
	paths0 bool
	page   []byte
	full   int // bytes at which the page is full
	sent   int // bytes of pages sent
	rows   int64
	err    error // from the connection; final

	dir string // of the previous row, which is mostly that of the next one
	row wire.Row
}

// Row implements exec.Sink.
func (s *sink) Row(dir []byte, e *listing.Entry, noMeta bool) error {
	if s.err != nil {
		return s.err
	}
	s.rows++
	if s.page == nil {
		s.page = make([]byte, 0, s.full+1024)
	}
	if s.paths0 {
		s.page = append(s.page, dir...)
		if len(dir) != 1 {
			s.page = append(s.page, '/')
		}
		s.page = append(s.page, e.Name...)
		s.page = append(s.page, 0)
		return nil
	}
	if s.dir != string(dir) {
		s.dir = string(dir)
	}
	s.row = wire.Row{Dir: s.dir, Entry: *e, NoMeta: noMeta || e.StatErrno != 0}
	s.page = s.row.AppendJSON(s.page)
	s.page = append(s.page, '\n')
	return nil
}

// Full implements exec.Sink.
func (s *sink) Full() bool { return len(s.page) >= s.full }

// Flush implements exec.Sink. It releases the slot while it writes.
func (s *sink) Flush(ctx context.Context) (slow bool, err error) {
	if len(s.page) == 0 && s.err == nil {
		// Nothing is sent, so an error can still be the answer.
		return false, cmp.Or(context.Cause(ctx), s.q.slot.yield(ctx))
	}
	s.q.slot.release()
	s.q.conn.noWait = true
	s.write()
	s.q.conn.noWait = false
	if s.err != nil {
		return false, s.err
	}
	if len(s.q.conn.pending) > 0 {
		return true, nil
	}
	ok, err := s.q.slot.acquireWithin(ctx, soon)
	s.err = err
	return !ok, err
}

// Drain implements exec.Sink.
func (s *sink) Drain(ctx context.Context) error {
	s.page = nil
	s.q.sort.release() // other sorts may take what it holds
	if s.err == nil {
		s.err = s.q.conn.drain()
	}
	if s.err == nil {
		s.err = s.q.slot.acquire(ctx)
	}
	return s.err
}

// write sends the page.
func (s *sink) write() {
	if s.err != nil {
		return
	}
	if s.q.gone() {
		s.err = context.Cause(s.q.ctx)
		return
	}
	if s.q.status == 0 {
		contentType := wire.TypeNDJSON
		if s.paths0 {
			contentType = wire.TypePaths0
		}
		s.q.header(contentType)
	}
	if _, s.err = s.q.w.Write(s.page); s.err == nil {
		s.err = http.NewResponseController(s.q.w).Flush()
	}
	// The kernel accepts some 200 KiB of an answer that nobody reads. Pages stay small for
	// readers that have not taken more than that.
	s.sent += len(s.page)
	s.full = min(max(s.sent/8, s.q.s.opt.FirstPageSize), s.q.s.opt.PageSize)
	if cap(s.page) < s.full || cap(s.page) > 4*s.full {
		s.page = nil // the next one has the right size
	} else {
		s.page = s.page[:0]
	}
}

// end sends the last page and the trailer. The slot must not be held.
func (s *sink) end(t *wire.Trailer) error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if s.paths0 {
		s.page = append(s.page, 0)
	}
	s.page = append(s.page, `{"end":`...)
	s.page = append(s.page, b...)
	s.page = append(s.page, "}\n"...)
	s.write()
	if s.err == nil {
		s.err = s.q.conn.drain() // after a slow Flush without Drain
	}
	return s.err
}
