package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

const (
	linesDelay = 20 * time.Millisecond // how long a line may wait to be sent with others
	linesFull  = 16 << 10              // bytes that are sent without waiting
)

// lines sends a stream of JSON objects, one per line. It sends the first one immediately
// and batches those that follow within linesDelay. It is safe for concurrent use.
type lines struct {
	q *request

	mu    sync.Mutex
	buf   bytes.Buffer
	enc   *json.Encoder
	timer *time.Timer // runs if armed; nil until it is needed
	armed bool
	sent  time.Time
	err   error // from the connection; final
}

func newLines(q *request) *lines {
	l := &lines{q: q}
	l.enc = json.NewEncoder(&l.buf)
	l.enc.SetEscapeHTML(false)
	return l
}

// add sends v soon. An error is final and means that the client has gone.
func (l *lines) add(v any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	if err := l.enc.Encode(v); err != nil {
		return err
	}
	switch {
	case l.buf.Len() >= linesFull || time.Since(l.sent) >= linesDelay && !l.armed:
		l.flush()
	case !l.armed:
		l.armed = true
		if l.timer == nil {
			l.timer = time.AfterFunc(linesDelay, l.late)
		} else {
			l.timer.Reset(linesDelay)
		}
	}
	return l.err
}

// late sends the batch when its time is over.
func (l *lines) late() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.armed {
		l.armed = false
		l.flush()
	}
}

// flush sends the batch. l.mu must be held.
func (l *lines) flush() {
	if l.err != nil || l.buf.Len() == 0 {
		return
	}
	_, l.err = l.q.w.Write(l.buf.Bytes())
	l.buf.Reset()
	if l.err == nil {
		l.err = http.NewResponseController(l.q.w).Flush()
	}
	if l.err == nil && l.q.gone() {
		l.err = context.Cause(l.q.ctx)
	}
	l.sent = time.Now()
}

func (l *lines) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err != nil
}

// close sends the rest. Nothing is written after it has returned.
func (l *lines) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.armed = false
	if l.timer != nil {
		l.timer.Stop()
	}
	l.flush()
}
