package ipc

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"strconv"

	"indexd/ipc/wire"
)

// Client talks to the daemon, one connection a call. The zero value works; it
// may be used by any number of goroutines. Every call ends with ctx's cause
// soon after ctx is done, and the daemon then stops working on it.
//
// Errors: a ConnError (ErrNoDaemon) when nobody answers, ErrCutOff when an
// answer has no end, else mostly a *Problem, which is what the daemon says.
//
// A callback may take as long as it likes: the daemon keeps neither a snapshot nor
// more than a page for a paused reader. What follows a long pause may come from a
// later state of the index.
type Client struct {
	// Sockets are tried in order until one answers. None: DefaultSockets.
	Sockets []string
	// Version is the caller's, for the daemon's log and for advice when the
	// two do not match.
	Version string
	// Dial, if not nil, connects to a socket. Close must end a Read that waits.
	Dial func(ctx context.Context, socket string) (io.ReadWriteCloser, error)
}

// endPrefix begins the last line of every stream of lines.
var endPrefix = []byte(`{"end":`)

// progressPrefix begins the lines of a check that tell how far it is.
var progressPrefix = []byte(`{"progress":`)

// Find calls each with the rows, one Row that is used again; an error from it
// ends the call and is returned. The Trailer's Error is returned as the error,
// too. each may be nil.
func (c *Client) Find(ctx context.Context, req *wire.FindRequest, each func(*wire.Row) error) (wire.Trailer, error) {
	var t wire.Trailer
	a, err := c.do(ctx, "POST", "/v1/find", wire.TypeNDJSON, req.AppendJSON(nil))
	if err != nil {
		return t, err
	}
	defer a.close()
	var row wire.Row
	for {
		line, err := a.line()
		if err != nil {
			return t, err
		}
		if bytes.HasPrefix(line, endPrefix) {
			return c.trailer(a, line)
		}
		if each == nil {
			continue
		}
		if err := wire.ParseRow(line, &row); err != nil {
			return t, a.notUnderstood(err)
		}
		if err := each(&row); err != nil {
			return t, err
		}
	}
}

func (c *Client) trailer(a *answer, line []byte) (wire.Trailer, error) {
	t, err := wire.ParseTrailer(line)
	if err != nil {
		return t, a.notUnderstood(err)
	}
	return t, problem(t.Error)
}

// problem makes an error of a pointer that may be nil.
func problem(p *wire.Problem) error {
	if p == nil {
		return nil
	}
	return p
}

// FindPaths is Find for the paths alone, and much faster: each is called with
// many paths at once, each ended by NUL. The buffer is its own until it returns,
// also to change. Split takes it apart.
func (c *Client) FindPaths(ctx context.Context, req *wire.FindRequest, each func(paths []byte) error) (wire.Trailer, error) {
	var t wire.Trailer
	a, err := c.do(ctx, "POST", "/v1/find", wire.TypePaths0, req.AppendJSON(nil))
	if err != nil {
		return t, err
	}
	defer a.close()
	seen := 0 // bytes of the buffer in which there is no NUL
	for {
		paths := a.buf[a.r:a.w]
		end, last := paths0End(paths, seen)
		if end > 0 {
			if err := each(paths[:end]); err != nil {
				return t, err
			}
			a.r += end
		}
		if last {
			a.r++
			line, err := a.line()
			if err != nil {
				return t, err
			}
			return c.trailer(a, line)
		}
		seen = a.w - a.r
		if err := a.more(); err != nil {
			return t, err
		}
	}
}

// paths0End returns where the whole records end that paths begins with, and
// whether the empty one that ends them all comes next. The first seen bytes
// have no NUL.
func paths0End(paths []byte, seen int) (end int, last bool) {
	if len(paths) > 0 && paths[0] == 0 {
		return 0, true
	}
	if i := bytes.Index(paths[seen:], []byte{0, 0}); i >= 0 {
		return seen + i + 1, true
	}
	if i := bytes.LastIndexByte(paths[seen:], 0); i >= 0 {
		end = seen + i + 1
	}
	return end, false
}

// Split takes paths apart that are each ended by NUL.
func Split(paths []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(paths) > 0 {
			path, rest, _ := bytes.Cut(paths, []byte{0})
			if !yield(path) {
				return
			}
			paths = rest
		}
	}
}

// Rescan starts a job and returns it at once. With req.Wait it calls each with
// the job's events and returns the job when it has ended; the daemon cancels
// the job if the call ends before that. each may be nil.
//
// An error may come with a job that has an ID: what is known of it.
func (c *Client) Rescan(ctx context.Context, req *wire.RescanRequest, each func(*wire.JobEvent) error) (wire.Job, error) {
	payload, err := json.Marshal(req)
	if err != nil {
		return wire.Job{}, err
	}
	if req.Wait {
		return c.follow(ctx, "POST", "/v1/rescan", payload, each)
	}
	var j wire.Job
	err = c.do1(ctx, "POST", "/v1/rescan", payload, &j)
	return j, err
}

// FollowJob calls each with the events of a job and returns the job when it has
// ended; at once if it has already. each may be nil. When the daemon stops, the
// error is ErrStopping.
func (c *Client) FollowJob(ctx context.Context, id uint64, each func(*wire.JobEvent) error) (wire.Job, error) {
	return c.follow(ctx, "GET", jobTarget(id)+"?wait=1", nil, each)
}

func (c *Client) follow(ctx context.Context, method, target string, payload []byte, each func(*wire.JobEvent) error) (wire.Job, error) {
	var j wire.Job
	a, err := c.do(ctx, method, target, wire.TypeNDJSON, payload)
	if err != nil {
		return j, err
	}
	defer a.close()
	for {
		line, err := a.line()
		if err != nil {
			return j, err
		}
		var e wire.JobEvent
		if err := a.decode(line, &e); err != nil {
			return j, err
		}
		switch {
		case e.Job != nil:
			j = *e.Job
		case e.End != nil:
			j = e.End.Job
		}
		if each != nil {
			if err := each(&e); err != nil {
				return j, err
			}
		}
		if e.End != nil {
			return j, problem(e.End.Error)
		}
	}
}

func jobTarget(id uint64) string { return "/v1/jobs/" + strconv.FormatUint(id, 10) }

// Jobs returns the jobs under way, then those finished lately, newest first.
func (c *Client) Jobs(ctx context.Context) ([]wire.Job, error) {
	var v struct {
		Jobs []wire.Job `json:"jobs"`
	}
	err := c.do1(ctx, "GET", "/v1/jobs", nil, &v)
	return v.Jobs, err
}

// Job returns one job; ErrNotFound.
func (c *Client) Job(ctx context.Context, id uint64) (wire.Job, error) {
	var j wire.Job
	err := c.do1(ctx, "GET", jobTarget(id), nil, &j)
	return j, err
}

// Cancel cancels a job and returns it; one that has ended is left as it is.
func (c *Client) Cancel(ctx context.Context, id uint64) (wire.Job, error) {
	var j wire.Job
	err := c.do1(ctx, "DELETE", jobTarget(id), nil, &j)
	return j, err
}

// Status returns the daemon's state.
func (c *Client) Status(ctx context.Context) (wire.Status, error) {
	var s wire.Status
	err := c.do1(ctx, "GET", "/v1/status", nil, &s)
	return s, err
}

// Wait returns when the daemon is ready, or, if ready is false, also has
// nothing pending. ErrStopping if it stops before.
func (c *Client) Wait(ctx context.Context, ready bool) error {
	target := "/v1/wait"
	if ready {
		target += "?ready=1"
	}
	return c.do1(ctx, "GET", target, nil, &struct{}{})
}

// Explain tells what is known about an absolute path.
func (c *Client) Explain(ctx context.Context, path string) (wire.Explanation, error) {
	var e wire.Explanation
	err := c.do1(ctx, "GET", "/v1/explain?path="+queryEscape(path), nil, &e)
	return e, err
}

// Check compares index and file system and calls each with the differences, and
// now and then progress with the result so far; both may be nil.
func (c *Client) Check(ctx context.Context, req *wire.CheckRequest, each func(*wire.Difference) error, progress func(*wire.CheckResult)) (wire.CheckResult, error) {
	var r wire.CheckResult
	payload, err := json.Marshal(req)
	if err != nil {
		return r, err
	}
	a, err := c.do(ctx, "POST", "/v1/check", wire.TypeNDJSON, payload)
	if err != nil {
		return r, err
	}
	defer a.close()
	for {
		line, err := a.line()
		if err != nil {
			return r, err
		}
		if bytes.HasPrefix(line, endPrefix) {
			var end struct {
				End wire.CheckResult `json:"end"`
			}
			if err := a.decode(line, &end); err != nil {
				return r, err
			}
			return end.End, problem(end.End.Error)
		}
		if bytes.HasPrefix(line, progressPrefix) {
			var so struct {
				Far wire.CheckResult `json:"progress"`
			}
			if err := a.decode(line, &so); err != nil {
				return r, err
			}
			if progress != nil {
				progress(&so.Far)
			}
			continue
		}
		if each == nil {
			continue
		}
		var d wire.Difference
		if err := a.decode(line, &d); err != nil {
			return r, err
		}
		if err := each(&d); err != nil {
			return r, err
		}
	}
}
