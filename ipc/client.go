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

// Client sends requests to the daemon, each on its own connection. The zero value is
// ready to use. A Client is safe for concurrent use. Soon after ctx is done, every call
// returns ctx's cause, and the daemon stops working on it.
//
// Calls return a *ConnError, which matches ErrNoDaemon, if no daemon can be reached,
// ErrCutOff if the answer has no end, and usually a *wire.Problem for any error that the
// daemon reports.
//
// A callback may take as long as it likes: the daemon keeps neither a snapshot nor
// more than a page for a paused reader. What follows a long pause may come from a
// later state of the index.
type Client struct {
	// Sockets are tried in order until one accepts the connection. If empty,
	// DefaultSockets are tried.
	Sockets []string
	// Version is the version of the calling program. It is sent to the daemon and named in
	// errors about different versions.
	Version string
	// Dial, if not nil, connects to a socket. Close must interrupt a blocked Read.
	Dial func(ctx context.Context, socket string) (io.ReadWriteCloser, error)
}

// endPrefix starts the last line of every stream of lines.
var endPrefix = []byte(`{"end":`)

// progressPrefix starts the lines with the progress of a check.
var progressPrefix = []byte(`{"progress":`)

// Find calls each for every row of the answer, reusing one Row. It stops at an error from
// each and returns it. An Error in the Trailer is also returned as the error. each may be
// nil.
func (c *Client) Find(ctx context.Context, req *wire.FindRequest, each func(*wire.Row) error) (wire.Trailer, error) {
	var t wire.Trailer
	resp, err := c.do(ctx, "POST", "/v1/find", wire.TypeNDJSON, req.AppendJSON(nil))
	if err != nil {
		return t, err
	}
	defer resp.close()
	var row wire.Row
	for {
		line, err := resp.line()
		if err != nil {
			return t, err
		}
		if bytes.HasPrefix(line, endPrefix) {
			return c.trailer(resp, line)
		}
		if each == nil {
			continue
		}
		if err := wire.ParseRow(line, &row); err != nil {
			return t, resp.notUnderstood(err)
		}
		if err := each(&row); err != nil {
			return t, err
		}
	}
}

func (c *Client) trailer(resp *response, line []byte) (wire.Trailer, error) {
	t, err := wire.ParseTrailer(line)
	if err != nil {
		return t, resp.notUnderstood(err)
	}
	return t, problem(t.Error)
}

// problem returns p as an error, or nil if p is nil.
func problem(p *wire.Problem) error {
	if p == nil {
		return nil
	}
	return p
}

// FindPaths is like Find but returns only paths, and is much faster. It calls each with
// many paths at once, each terminated by NUL; Split separates them. each may modify the
// buffer, but must not keep it.
func (c *Client) FindPaths(ctx context.Context, req *wire.FindRequest, each func(paths []byte) error) (wire.Trailer, error) {
	var t wire.Trailer
	resp, err := c.do(ctx, "POST", "/v1/find", wire.TypePaths0, req.AppendJSON(nil))
	if err != nil {
		return t, err
	}
	defer resp.close()
	seen := 0 // bytes at the start of the buffer that contain no NUL
	for {
		paths := resp.buf[resp.from:resp.to]
		end, last := paths0End(paths, seen)
		if end > 0 {
			if err := each(paths[:end]); err != nil {
				return t, err
			}
			resp.from += end
		}
		if last {
			resp.from++
			line, err := resp.line()
			if err != nil {
				return t, err
			}
			return c.trailer(resp, line)
		}
		seen = resp.to - resp.from
		if err := resp.more(); err != nil {
			return t, err
		}
	}
}

// paths0End returns the length of the complete records at the start of paths, and whether
// the empty record that ends the list follows. The first seen bytes contain no NUL.
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

// Split returns an iterator over paths that are each terminated by NUL.
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

// Rescan starts a job and returns it immediately. With req.Wait it calls each for every
// event of the job and returns the job when it has ended. The daemon cancels the job if
// the call ends earlier. each may be nil.
//
// If a job with an ID is returned together with an error, it is the last known state.
func (c *Client) Rescan(ctx context.Context, req *wire.RescanRequest, each func(*wire.JobEvent) error) (wire.Job, error) {
	payload, err := json.Marshal(req)
	if err != nil {
		return wire.Job{}, err
	}
	if req.Wait {
		return c.follow(ctx, "POST", "/v1/rescan", payload, each)
	}
	var j wire.Job
	err = c.doJSON(ctx, "POST", "/v1/rescan", payload, &j)
	return j, err
}

// FollowJob calls each for every event of a job and returns the job when it has ended,
// which may be at once. each may be nil. If the daemon stops, the error is ErrStopping.
func (c *Client) FollowJob(ctx context.Context, id uint64, each func(*wire.JobEvent) error) (wire.Job, error) {
	return c.follow(ctx, "GET", jobTarget(id)+"?wait=1", nil, each)
}

func (c *Client) follow(ctx context.Context, method, target string, payload []byte, each func(*wire.JobEvent) error) (wire.Job, error) {
	var j wire.Job
	resp, err := c.do(ctx, method, target, wire.TypeNDJSON, payload)
	if err != nil {
		return j, err
	}
	defer resp.close()
	for {
		line, err := resp.line()
		if err != nil {
			return j, err
		}
		var e wire.JobEvent
		if err := resp.decode(line, &e); err != nil {
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

// Jobs returns the running jobs and then the recently finished ones, newest first.
func (c *Client) Jobs(ctx context.Context) ([]wire.Job, error) {
	var v struct {
		Jobs []wire.Job `json:"jobs"`
	}
	err := c.doJSON(ctx, "GET", "/v1/jobs", nil, &v)
	return v.Jobs, err
}

// Job returns a job, or ErrNotFound.
func (c *Client) Job(ctx context.Context, id uint64) (wire.Job, error) {
	var j wire.Job
	err := c.doJSON(ctx, "GET", jobTarget(id), nil, &j)
	return j, err
}

// Cancel cancels a job and returns it. It does not change a job that has ended.
func (c *Client) Cancel(ctx context.Context, id uint64) (wire.Job, error) {
	var j wire.Job
	err := c.doJSON(ctx, "DELETE", jobTarget(id), nil, &j)
	return j, err
}

// Status returns the state of the daemon.
func (c *Client) Status(ctx context.Context) (wire.Status, error) {
	var s wire.Status
	err := c.doJSON(ctx, "GET", "/v1/status", nil, &s)
	return s, err
}

// Wait returns when the daemon is ready, or if ready is false, when it is ready and no
// directory is pending. If the daemon stops first, the error is ErrStopping.
func (c *Client) Wait(ctx context.Context, ready bool) error {
	target := "/v1/wait"
	if ready {
		target += "?ready=1"
	}
	return c.doJSON(ctx, "GET", target, nil, &struct{}{})
}

// Explain returns what is known about an absolute path.
func (c *Client) Explain(ctx context.Context, path string) (wire.Explanation, error) {
	var e wire.Explanation
	err := c.doJSON(ctx, "GET", "/v1/explain?path="+queryEscape(path), nil, &e)
	return e, err
}

// Check compares the index with the file system. It calls each for every difference, and
// from time to time progress with the result so far. Both may be nil.
func (c *Client) Check(ctx context.Context, req *wire.CheckRequest, each func(*wire.Difference) error, progress func(*wire.CheckResult)) (wire.CheckResult, error) {
	var r wire.CheckResult
	payload, err := json.Marshal(req)
	if err != nil {
		return r, err
	}
	resp, err := c.do(ctx, "POST", "/v1/check", wire.TypeNDJSON, payload)
	if err != nil {
		return r, err
	}
	defer resp.close()
	for {
		line, err := resp.line()
		if err != nil {
			return r, err
		}
		if bytes.HasPrefix(line, endPrefix) {
			var end struct {
				End wire.CheckResult `json:"end"`
			}
			if err := resp.decode(line, &end); err != nil {
				return r, err
			}
			return end.End, problem(end.End.Error)
		}
		if bytes.HasPrefix(line, progressPrefix) {
			var event struct {
				Progress wire.CheckResult `json:"progress"`
			}
			if err := resp.decode(line, &event); err != nil {
				return r, err
			}
			if progress != nil {
				progress(&event.Progress)
			}
			continue
		}
		if each == nil {
			continue
		}
		var d wire.Difference
		if err := resp.decode(line, &d); err != nil {
			return r, err
		}
		if err := each(&d); err != nil {
			return r, err
		}
	}
}
