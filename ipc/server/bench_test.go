package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"indexd/internal/query"
	"indexd/internal/query/exec"
	"indexd/ipc"
	"indexd/ipc/wire"
	"indexd/listing"
)

// benchDaemon answers with a plausible tree: Limit rows, twelve a directory.
func benchDaemon() Daemon {
	dirs := make([][]byte, 1000)
	for i := range dirs {
		dirs[i] = fmt.Appendf(nil, "/usr/share/doc/golang/src/package%d/internal", i)
	}
	entries := make([]*listing.Entry, 12)
	for i := range entries {
		entries[i] = entry(fmt.Sprintf("file_name_%02d.go", i))
	}
	return &fake{find: func(ctx context.Context, _ Peer, req *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
		for i := range req.Limit {
			if err := s.Row(dirs[i/12%len(dirs)], entries[i%12], false); err != nil {
				return wire.Trailer{}, err
			}
			if s.Full() {
				if err := flush(ctx, s); err != nil {
					return wire.Trailer{}, err
				}
			}
		}
		return wire.Trailer{}, nil
	}}
}

// BenchmarkFind is a whole question and its answer of so many rows, client and
// server in one process.
func BenchmarkFind(b *testing.B) {
	for _, page := range []int{16 << 10, 64 << 10, 256 << 10} {
		socket := filepath.Join(b.TempDir(), "s")
		l, err := Listen(socket, 0o600)
		if err != nil {
			b.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		served := make(chan error)
		go func() { served <- New(benchDaemon(), Options{PageSize: page}).Serve(ctx, l) }()
		c := &ipc.Client{Sockets: []string{socket}}
		for _, n := range []int{1, 100, 1000000} {
			if n < 1000 && page != 64<<10 {
				continue
			}
			req := &wire.FindRequest{Request: query.Request{Limit: n}}
			perRow := func(b *testing.B) {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/row")
			}
			b.Run(fmt.Sprintf("paths/%d/page%dK", n, page>>10), func(b *testing.B) {
				for b.Loop() {
					if tr, err := c.FindPaths(b.Context(), req, func([]byte) error { return nil }); err != nil || tr.Count != int64(n) {
						b.Fatal(tr, err)
					}
				}
				perRow(b)
			})
			b.Run(fmt.Sprintf("rows/%d/page%dK", n, page>>10), func(b *testing.B) {
				for b.Loop() {
					if tr, err := c.Find(b.Context(), req, func(*wire.Row) error { return nil }); err != nil || tr.Count != int64(n) {
						b.Fatal(tr, err)
					}
				}
				perRow(b)
			})
		}
		stop()
		if err := <-served; err != nil {
			b.Fatal(err)
		}
		os.Remove(socket)
	}
}
