package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"indexd/ipc/wire"
)

// request is a request being answered by one goroutine.
type request struct {
	s      *Server
	w      http.ResponseWriter
	r      *http.Request
	ctx    context.Context // done when the client has gone or the daemon stops
	conn   *conn
	peer   Peer
	id     uint64 // of the job, if the path has one
	slot   slot
	large  slot // while it has a large body
	sort   slot // while it holds what it sorts
	status int  // sent; 0 if nothing was sent
}

// endpoint is the handler for a method on a path. The client gets the error that it
// returns, unless something else was sent before.
type endpoint struct {
	method string
	do     func(*request) error
	// waits says that it mostly waits, so that it ends as soon as a shutdown begins.
	waits bool
}

// endpoints returns the endpoints of a path. "/v1/jobs/" stands for paths with an id.
func endpoints(path string) []endpoint {
	switch path {
	case "/v1/find":
		return []endpoint{{"GET", (*request).find, false}, {"POST", (*request).find, false}}
	case "/v1/rescan":
		return []endpoint{{"POST", (*request).rescan, true}}
	case "/v1/jobs":
		return []endpoint{{"GET", (*request).jobs, false}}
	case "/v1/jobs/":
		return []endpoint{{"GET", (*request).job, true}, {"DELETE", (*request).cancelJob, false}}
	case "/v1/status":
		return []endpoint{{"GET", (*request).statusPage, false}}
	case "/v1/explain":
		return []endpoint{{"GET", (*request).explain, false}}
	case "/v1/check":
		return []endpoint{{"POST", (*request).check, true}}
	case "/v1/wait":
		return []endpoint{{"GET", (*request).wait, true}}
	case "/metrics":
		return []endpoint{{"GET", (*request).metrics, false}}
	}
	return nil
}

// serve answers one request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		panic("server: a connection that is not of its listener")
	}
	c.working(true)
	defer c.working(false)
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	q := &request{s: s, w: w, r: r, ctx: ctx, conn: c, peer: c.peer}
	q.slot = slot{of: s.slots, uid: c.peer.UID, limit: s.opt.MaxWork}
	q.slot.expire = func() {
		cancel(wire.ErrTooLarge.With("indexd has worked on this request for %v; ask for less", s.opt.MaxWork))
	}
	q.large = slot{of: s.large, uid: c.peer.UID}
	q.sort = slot{of: s.sorts, uid: c.peer.UID}
	h := w.Header()
	h.Set(wire.HeaderProtocol, strconv.Itoa(wire.Protocol))
	h.Set(wire.HeaderVersion, s.opt.Version)
	// While connections are scarce, none is kept for another request.
	if c.refuse != nil || s.stopping.Err() != nil || c.l.crowded() {
		h.Set("Connection", "close")
	}

	start := time.Now()
	s.stats.requests.Add(1)
	s.stats.working.Add(1)
	defer func() {
		s.stats.working.Add(-1)
		q.slot.release()
		q.sort.release()
		q.releaseBody()
		v := recover()
		if v == http.ErrAbortHandler {
			panic(v)
		}
		if v != nil {
			s.log.Error("a request failed with a panic", "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
			if q.status != 0 {
				panic(http.ErrAbortHandler) // breaks the connection, so that the answer does not look complete
			}
			q.fail(wire.ErrInternal.With("indexd failed on this request; see its log"))
		}
		if q.status >= 400 {
			s.stats.failed.Add(1)
		}
		s.log.Debug("request", "method", r.Method, "endpoint", r.URL.Path, "uid", q.peer.UID, "pid", q.peer.PID,
			"status", q.status, "took", time.Since(start))
	}()
	if err := q.route(); err != nil {
		q.fail(err)
	}
}

// route finds the endpoint and calls it.
func (q *request) route() error {
	if q.conn.refuse != nil {
		return q.conn.refuse
	}
	path := q.r.URL.Path
	if id, ok := strings.CutPrefix(path, "/v1/jobs/"); ok {
		n, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			return wire.ErrNotFound.With("%q is not a job's id", id)
		}
		q.id, path = n, "/v1/jobs/"
	}
	known := endpoints(path)
	if known == nil {
		return wire.ErrVersion.With("this indexd has no %s", q.r.URL.Path)
	}
	var allow []string
	for _, e := range known {
		if e.method != q.r.Method {
			allow = append(allow, e.method)
			continue
		}
		// Requests that arrived before the daemon stopped listening are still answered,
		// because no other daemon will.
		if q.s.working.Err() != nil || e.waits && q.s.stopping.Err() != nil {
			return wire.ErrStopping
		}
		if e.waits && q.conn.place == placeReserve {
			return wire.ErrUnavailable.With("uid %d has so many connections to indexd that this one may not wait", q.peer.UID)
		}
		if e.waits {
			ctx, cancel := context.WithCancelCause(q.ctx)
			defer cancel(nil)
			defer context.AfterFunc(q.s.stopping, func() { cancel(wire.ErrStopping) })()
			q.ctx = ctx
		}
		if err := e.do(q); err != nil {
			q.fail(err) // while the context still has its cause
		}
		return nil
	}
	q.w.Header().Set("Allow", strings.Join(allow, ", "))
	return wire.ErrMethod.With("%s takes %s, not %s", q.r.URL.Path, strings.Join(allow, " and "), q.r.Method)
}

// quick calls fn, which takes no time, when it has a slot. It does not wait behind
// requests that take longer.
func (q *request) quick(fn func() error) error {
	t := slot{of: q.s.quick, uid: q.peer.UID}
	if err := t.acquire(q.ctx); err != nil {
		return err
	}
	defer t.release()
	return fn()
}

// work waits for the request's slot. The context that it returns carries the slot for
// Waiting.
func (q *request) work() (context.Context, error) {
	if err := q.slot.acquire(q.ctx); err != nil {
		return nil, err
	}
	return context.WithValue(q.ctx, slotKey{}, &q.slot), nil
}

// problem returns the problem that the client gets for err.
func (q *request) problem(err error) *wire.Problem {
	if q.ctx.Err() != nil && errors.Is(context.Cause(q.ctx), wire.ErrStopping) && isContext(err) {
		err = wire.ErrStopping
	}
	if p, ok := errors.AsType[*wire.Problem](err); ok {
		return p
	}
	if q.ctx.Err() == nil {
		q.s.log.Error("a request failed", "path", q.r.URL.Path, "err", err)
	}
	if !trusted(q.peer.UID) {
		return wire.ErrInternal // the text of err may name what this user may not see
	}
	return wire.ErrInternal.With("%v", err)
}

// gone reports whether the client has gone.
func (q *request) gone() bool { return q.r.Context().Err() != nil && q.s.stopping.Err() == nil }

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// fail sends an error to the client unless something else was sent before.
func (q *request) fail(err error) {
	if q.status != 0 {
		return
	}
	p := q.problem(err)
	if p.Status < 400 || p.Status > 599 {
		c := *p
		c.Status = http.StatusInternalServerError
		p = &c
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // a Problem has only strings and numbers
	}
	q.w.Header().Set("Content-Type", wire.TypeProblem)
	q.send(p.Status, append(body, '\n'))
}

// header sends the header of a successful answer.
func (q *request) header(contentType string) {
	q.w.Header().Set("Content-Type", contentType)
	q.status = http.StatusOK
	q.w.WriteHeader(http.StatusOK)
}

// send sends a complete answer. The Content-Type must be set.
func (q *request) send(status int, body []byte) {
	q.status = status
	q.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	q.w.WriteHeader(status)
	_, _ = q.w.Write(body)
}

// json sends a complete answer that is one object.
func (q *request) json(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", wire.TypeJSON)
	q.send(status, append(body, '\n'))
	return nil
}

// decode decodes the body into v. An empty body is an empty object. Unknown fields are
// rejected, because ignoring a filter would give a wrong answer.
func (q *request) decode(v any) error {
	body, err := q.body()
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err = dec.Decode(v)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("there is more after the object")
		}
	}
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "unknown field"):
		p := wire.ErrVersion.With("%s: this indexd does not know it", strings.TrimPrefix(err.Error(), "json: "))
		p.Status = http.StatusBadRequest
		return p
	}
	return wire.ErrBadRequest.With("body: %s", bodyError(err))
}

// bodyError describes a decoding error in terms of JSON instead of Go.
func bodyError(err error) string {
	mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return strings.TrimPrefix(err.Error(), "json: ")
	}
	what := mistyped.Value
	switch kind, _, _ := strings.Cut(what, " "); kind {
	case "array", "object":
		what = "an " + what
	case "number": // with its value
		what = "the " + what
	default:
		what = "a " + what
	}
	field := mistyped.Field
	field = field[strings.LastIndexByte(field, '.')+1:] // without the Go types that embed it
	if field == "" {
		return what + " where another kind of value belongs"
	}
	return field + " cannot be " + what
}

// flag parses a boolean parameter: no value, 1 or true is true; 0 or false is false.
func flag(value []string) (bool, error) {
	switch v := value[len(value)-1]; v {
	case "", "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	default:
		return false, fmt.Errorf("%q is neither 1 nor 0", v)
	}
}

// params calls the functions in set with the values of the parameters of those names. It
// rejects other parameters for the same reason as decode.
func (q *request) params(set map[string]func([]string) error) error {
	values, err := url.ParseQuery(q.r.URL.RawQuery)
	if err != nil {
		return wire.ErrBadRequest.With("query string: %v", err)
	}
	for name, value := range values {
		f := set[name]
		if f == nil {
			p := wire.ErrVersion.With("parameter %q: this indexd does not know it", name)
			p.Status = http.StatusBadRequest
			return p
		}
		if err := f(value); err != nil {
			return wire.ErrBadRequest.With("parameter %q: %v", name, err)
		}
	}
	return nil
}
