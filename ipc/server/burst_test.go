package server

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"indexd/internal/query"
	"indexd/internal/query/exec"
	"indexd/internal/testutil/scale"
	"indexd/ipc/wire"
)

// TestS15_Burst: hundreds of clients at once, among them slow, broken and vanishing ones,
// which harm nobody. There are two goroutines per connection and a constant number of
// others, and connections are bounded.
func TestS15_Burst(t *testing.T) {
	scale.SkipIfShort(t)
	const good, bad, conns, n = 200, 40, 64, 500
	before := runtime.NumGoroutine()
	var most atomic.Int64
	peak := func() {
		for g, m := int64(runtime.NumGoroutine()), most.Load(); g > m && !most.CompareAndSwap(m, g); m = most.Load() {
		}
	}
	r := serve(t, &fake{find: func(ctx context.Context, p Peer, req *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
		peak()
		defer peak()
		if req.Limit > 0 {
			return rows(req.Limit)(ctx, p, req, s)
		}
		return rows(1<<30)(ctx, p, req, s)
	}}, Options{MaxConns: 2 * conns, ReadTimeout: 3 * time.Second, WriteTimeout: 3 * time.Second, IdleTimeout: time.Second})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))

	// The bad ones first, so that they have the connections. Their sockets'
	// ends are the test's own: no goroutines of theirs.
	for i := range 5 * bad {
		c := r.dial()
		switch i % 5 {
		case 0: // never reads its endless answer
			io.WriteString(c, get("/v1/find"))
		case 1: // half a request
			text := post("/v1/find", `{"terms":["x"]}`)
			io.WriteString(c, text[:rnd.IntN(len(text))])
		case 2: // goes away at once
			io.WriteString(c, get("/v1/find"))
			c.Close()
		case 3: // goes away in the middle
			io.WriteString(c, get("/v1/find"))
			c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			io.ReadFull(c, make([]byte, 1000))
			c.Close()
		case 4: // speaks something else
			junk := make([]byte, 100)
			for j := range junk {
				junk[j] = byte(rnd.UintN(256))
			}
			c.Write(junk)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	var wg sync.WaitGroup
	for i := range good {
		wg.Go(func() {
			rows := 0
			tr, err := r.client.Find(ctx, &wire.FindRequest{Request: query.Request{Limit: n}}, func(row *wire.Row) error {
				if row.Name != fmt.Sprintf("name-%09d", rows) {
					return fmt.Errorf("row %d is %s", rows, row.Name)
				}
				rows++
				return nil
			})
			if err != nil || rows != n || tr.Count != n {
				t.Errorf("client %d: %d rows, %+v, %v", i, rows, tr, err)
			}
		})
	}
	wg.Wait()
	// A client here is its caller's goroutine; the server may have two per
	// connection, and Serve itself.
	if m, limit := most.Load(), int64(before+2*conns+good+10); m > limit {
		t.Errorf("%d goroutines, %d before", m, before)
	}
	eventually(t, "all connections are closed", func() bool { return r.connections() <= 1 })
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before+3 })
}

// TestGoroutines counts exactly, because only the server has goroutines here.
func TestGoroutines(t *testing.T) {
	const conns = 50
	r := serve(t, &fake{}, Options{MaxConns: 2 * conns, peerOf: named})
	io.WriteString(r.dialAs(1001), get("/v1/wait"))
	eventually(t, "one waits", func() bool { return r.stats.working.Load() == 1 })
	before := runtime.NumGoroutine() - 2
	for range conns - 1 {
		io.WriteString(r.dialAs(1001), get("/v1/wait"))
	}
	eventually(t, "all wait", func() bool { return r.stats.working.Load() == conns })
	// Those beyond the share wait, without a goroutine.
	var beyond []net.Conn
	for range 3 * conns {
		c := r.dialAs(1001)
		io.WriteString(c, get("/v1/status"))
		beyond = append(beyond, c)
	}
	// The second goroutine of a connection appears when its handler begins.
	eventually(t, "two goroutines a connection", func() bool { return runtime.NumGoroutine() == before+2*conns })
	if r.connections() != conns || r.stats.requests.Load() != conns {
		t.Errorf("%d connections, %d requests", r.connections(), r.stats.requests.Load())
	}
	// One ends, and all of them have their answer, one after another.
	r.listener.mu.Lock()
	for c := range r.listener.conns {
		c.Conn.Close()
		break
	}
	r.listener.mu.Unlock()
	for _, c := range beyond {
		if status, _, body := r.answer(c); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		c.Close()
	}
}
