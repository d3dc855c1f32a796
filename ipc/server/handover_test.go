package server

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"indexd/ipc"
	"indexd/ipc/wire"
)

// TestHandOver: a socket that outlives its daemons, as systemd's does, answers
// everybody while one daemon takes over from the other.
func TestHandOver(t *testing.T) {
	path := socketPath(t)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	kept, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	file, err := kept.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()

	ctx, stop := context.WithCancel(t.Context())
	var asked atomic.Uint64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for ctx.Err() == nil {
				n := 0
				c := &ipc.Client{Sockets: []string{path}}
				_, err := c.Find(t.Context(), &wire.FindRequest{}, func(*wire.Row) error { n++; return nil })
				if err != nil || n != 10 {
					t.Errorf("%d rows, %v", n, err)
					return
				}
				asked.Add(1)
			}
		})
	}
	for range 100 {
		l, err := net.FileListener(file)
		if err != nil {
			t.Fatal(err)
		}
		serving, end := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- New(&fake{find: rows(10)}, Options{}).Serve(serving, l) }()
		had := asked.Load()
		eventually(t, "an answer", func() bool { return asked.Load() > had+10 || t.Failed() })
		end()
		if err := <-served; err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			break
		}
	}
	stop()
	l, err := net.FileListener(file) // for those who wait
	if err != nil {
		t.Fatal(err)
	}
	serving, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- New(&fake{find: rows(10)}, Options{}).Serve(serving, l) }()
	clients.Wait()
	end()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
