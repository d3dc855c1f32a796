package server

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"indexd/ipc"
	"indexd/ipc/wire"
)

// TestPausedReader: a client that stops reading for hours, as a pager in front of a
// person does, gets the whole answer, and meanwhile the daemon has flushed its pages
// and holds nothing more.
func TestPausedReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 20_000
		l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		s := New(&fake{find: rows(n)}, Options{peerOf: func(net.Conn) (Peer, error) { return Peer{}, nil }})
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- s.Serve(ctx, l) }()
		c := &ipc.Client{Sockets: []string{"/none"}, Dial: l.dial}
		got := 0
		tr, err := c.Find(t.Context(), &wire.FindRequest{}, func(*wire.Row) error {
			if got++; got == n/4 || got == n/2 {
				time.Sleep(12 * time.Hour)
				if w := s.stats.working.Load(); w != 1 {
					t.Errorf("%d requests", w)
				}
				if held := s.slots.held(); held != 0 {
					t.Errorf("%d slots are held", held)
				}
			}
			return nil
		})
		if err != nil || got != n || tr.Count != n {
			t.Errorf("%d rows, %+v, %v", got, tr, err)
		}
		if d := s.stats.dropped.Load(); d != 0 {
			t.Errorf("%d dropped", d)
		}
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// pipeListener is a listener in memory, for time that a test controls.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) dial(context.Context, string) (io.ReadWriteCloser, error) {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	return ours, nil
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
