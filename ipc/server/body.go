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

// body reads the body within its limits of size and time. Of large ones a uid has
// few at once, from here until letGo; while others wait for that, it must keep
// coming.
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
		q.letGo()
		q.w.Header().Set("Connection", "close")
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = wire.ErrTimeout.With("the request's body did not arrive within %v, or less where others wait", q.s.opt.ReadTimeout)
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
	rc.SetReadDeadline(time.Now().Add(q.s.opt.ReadTimeout)) // the wait was not the client's
	p := newPacer(q.conn)
	defer p.stop()
	for {
		n := len(body)
		body = slices.Grow(body, smallBody)
		k, err := limited.Read(body[n:cap(body)])
		p.came.Store(true)
		switch body = body[:n+k]; err {
		case nil:
		case io.EOF:
			return body, nil
		default:
			return nil, err
		}
	}
}

// pacer ends the reading of a body that does not come while others wait.
type pacer struct {
	c     *conn
	came  atomic.Bool // something, since the last look
	mu    sync.Mutex
	over  bool
	timer *time.Timer
}

func newPacer(c *conn) *pacer {
	p := &pacer{c: c}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(wantedPatience, p.look)
	return p
}

func (p *pacer) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over:
	case !p.came.Swap(false) && p.c.wanted():
		p.c.SetReadDeadline(time.Now())
	default:
		p.timer.Reset(wantedPatience)
	}
}

// stop returns when it ends nothing any more.
func (p *pacer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.timer.Stop()
}

// letGo lets another large body in.
func (q *request) letGo() {
	q.conn.wanted = nil
	q.large.release()
}
