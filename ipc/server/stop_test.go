package server

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"indexd/internal/query/exec"
	"indexd/ipc"
	"indexd/ipc/wire"
)

// TestS13_ShutdownTellsEveryWaiter: every waiting client gets ErrStopping, no job is
// cancelled, and answers in progress may end.
func TestS13_ShutdownTellsEveryWaiter(t *testing.T) {
	finding := make(chan struct{})
	finish := make(chan struct{})
	r := serve(t, &fake{
		find: func(ctx context.Context, p Peer, req *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
			finding <- struct{}{}
			<-finish
			return rows(1000)(ctx, p, req, s)
		},
		cancel: func(context.Context, Peer, uint64) (wire.Job, error) {
			t.Error("a job was cancelled")
			return wire.Job{}, nil
		},
	}, Options{MaxPerUID: 1, Grace: time.Hour})
	var told, whole sync.WaitGroup
	waits := func(name string, call func() error) {
		told.Go(func() {
			if err := call(); !errors.Is(err, wire.ErrStopping) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	ctx := t.Context()
	for range 20 {
		waits("wait", func() error { return r.client.Wait(ctx, true) })
		waits("job", func() error {
			job, err := r.client.FollowJob(ctx, 5, nil)
			if err == nil || !strings.Contains(err.Error(), "job 5 is resumed at the next start") || job.ID != 5 {
				t.Errorf("%+v, %v", job, err)
			}
			return err
		})
		waits("rescan", func() error {
			_, err := r.client.Rescan(ctx, &wire.RescanRequest{Wait: true}, nil)
			return err
		})
	}
	whole.Go(func() {
		n := 0
		if _, err := r.client.Find(ctx, &wire.FindRequest{}, func(*wire.Row) error { n++; return nil }); err != nil || n != 1000 {
			t.Errorf("an answer under way: %d rows, %v", n, err)
		}
	})
	<-finding
	eventually(t, "all wait", func() bool { return r.stats.working.Load() == 61 })
	r.stop()
	told.Wait()
	if _, err := r.client.Status(ctx); !errors.Is(err, ipc.ErrNoDaemon) {
		t.Errorf("a new client: %v", err)
	}
	close(finish)
	whole.Wait()
}

// TestShutdownEndsChecks: a shutdown does not wait for a check, which may take minutes.
func TestShutdownEndsChecks(t *testing.T) {
	r := serve(t, &fake{}, Options{Grace: time.Hour})
	got := make(chan error)
	go func() {
		_, err := r.client.Check(t.Context(), &wire.CheckRequest{}, nil, nil)
		got <- err
	}()
	eventually(t, "it is in work", func() bool { return r.stats.working.Load() == 1 })
	r.stop()
	if err := <-got; !errors.Is(err, wire.ErrStopping) { // an hour before the others
		t.Error(err)
	}
}

// TestShutdownGrace: answers that take longer end with an error in the trailer, and
// connections without a request are closed.
func TestShutdownGrace(t *testing.T) {
	r := serve(t, &fake{find: func(ctx context.Context, p Peer, req *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
		if _, err := rows(1000)(ctx, p, req, s); err != nil {
			return wire.Trailer{}, err
		}
		<-ctx.Done()
		return wire.Trailer{}, ctx.Err()
	}}, Options{ReadTimeout: time.Hour, IdleTimeout: time.Hour})
	got := make(chan error, 2)
	go func() {
		tr, err := r.client.Find(t.Context(), &wire.FindRequest{}, nil)
		if tr.Count != 1000 || tr.Complete {
			t.Errorf("%+v", tr)
		}
		got <- err
	}()
	go func() {
		_, err := r.client.Check(t.Context(), &wire.CheckRequest{}, nil, nil)
		got <- err
	}()
	silent, half, idle := r.dial(), r.dial(), r.dial()
	io.WriteString(half, "GET /v1/st")
	io.WriteString(idle, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
	r.answer(idle)
	eventually(t, "all are in work", func() bool { return r.stats.working.Load() == 2 && r.connections() == 5 })
	r.stop()
	for range 2 {
		if err := <-got; !errors.Is(err, wire.ErrStopping) {
			t.Error(err)
		}
	}
	for _, c := range []net.Conn{silent, half, idle} {
		c.SetReadDeadline(time.Now().Add(generous))
		if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a connection was left open")
		}
	}
}

// TestShutdownOfSlowReaders: a reader that never reads does not delay the shutdown.
func TestShutdownOfSlowReaders(t *testing.T) {
	r := serve(t, &fake{find: rows(1 << 30)}, Options{WriteTimeout: time.Hour})
	io.WriteString(r.dial(), get("/v1/find"))
	eventually(t, "it is in work", func() bool { return r.stats.working.Load() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// TestShutdownTimeout: Shutdown does not wait for a Daemon that ignores its context, and
// closes the connection.
func TestShutdownTimeout(t *testing.T) {
	stuck := make(chan struct{})
	r := serve(t, &fake{wait: func(context.Context, Peer, bool) error { <-stuck; return nil }}, Options{})
	c := r.dial()
	io.WriteString(c, get("/v1/wait"))
	eventually(t, "it is in work", func() bool { return r.stats.working.Load() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if b, err := io.ReadAll(c); len(b) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v", b, err)
	}
	close(stuck)
}

func TestServeOfABrokenListener(t *testing.T) {
	s := New(&fake{}, Options{})
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "", Net: "unix"}) // an abstract name
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := s.Serve(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if err := s.Serve(t.Context(), l); err == nil {
		t.Error("served twice")
	}
}
