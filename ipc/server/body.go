package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"indexd/ipc/wire"
)

// body reads the body within the limits of size and time. A user may have only a few large
// bodies at once; this one counts until releaseBody. While others wait for that, data must
// keep arriving.
func (q *request) body() (_ []byte, err error) {
	if q.r.Body == http.NoBody {
		return nil, nil
	}
	rc := http.NewResponseController(q.w)
	rc.SetReadDeadline(time.Now().Add(q.s.opt.ReadTimeout))
	defer func() {
		if err == nil {
			rc.SetReadDeadline(time.Time{})
			return
		}
		q.releaseBody()
		q.w.Header().Set("Connection", "close")
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = wire.ErrTimeout.With("the request's body did not arrive within %v, or less while others wait", q.s.opt.ReadTimeout)
		case errors.As(err, new(*http.MaxBytesError)):
			err = wire.ErrTooLarge.With("the request's body is larger than %d bytes", q.s.opt.MaxBody)
		case errors.As(err, new(*wire.Problem)):
		default:
			err = wire.ErrBadRequest.With("body: %v", err)
		}
	}()
	limited := http.MaxBytesReader(q.w, q.r.Body, q.s.opt.MaxBody)
	if q.r.ContentLength >= 0 && q.r.ContentLength < smallBody {
		body := make([]byte, q.r.ContentLength)
		_, err := io.ReadFull(limited, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(limited, smallBody))
	if err != nil || len(body) < smallBody {
		return body, err
	}
	if err := q.large.acquire(q.ctx); err != nil {
		return nil, err
	}
	q.conn.wanted = func() bool { return q.s.large.wanted(q.peer.UID) }
	rc.SetReadDeadline(time.Now().Add(q.s.opt.ReadTimeout)) // the client did not cause the wait
	p := newPacer(q.conn)
	defer p.stop()
	for {
		n := len(body)
		body = slices.Grow(body, smallBody)
		k, err := limited.Read(body[n:cap(body)])
		p.arrived.Store(true)
		switch body = body[:n+k]; err {
		case nil:
		case io.EOF:
			return body, nil
		default:
			return nil, err
		}
	}
}

// pacer interrupts reading a body when nothing arrives while others wait.
type pacer struct {
	c       *conn
	arrived atomic.Bool // data arrived since the last check
	mu      sync.Mutex
	stopped bool
	timer   *time.Timer
}

func newPacer(c *conn) *pacer {
	p := &pacer{c: c}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(wantedPatience, p.check)
	return p
}

func (p *pacer) check() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.stopped:
	case !p.arrived.Swap(false) && p.c.wanted():
		p.c.SetReadDeadline(time.Now())
	default:
		p.timer.Reset(wantedPatience)
	}
}

// stop returns when the pacer can no longer interrupt anything.
func (p *pacer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	p.timer.Stop()
}

// releaseBody ends counting a large body.
func (q *request) releaseBody() {
	q.conn.wanted = nil
	q.large.release()
}
