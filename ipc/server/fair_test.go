package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"indexd/internal/query/exec"
	"indexd/internal/testutil/scale"
	"indexd/ipc"
	"indexd/ipc/wire"
)

// TestOneUserKeepsNoOthersOut: whatever a user does with all the connections that are
// possible, other users are answered. A further connection gets an error with the reason.
func TestOneUserKeepsNoOthersOut(t *testing.T) {
	const conns, waiting = 32, 64
	r := serve(t, &fake{find: rows(1 << 30)}, Options{
		MaxConns: conns, MaxWaiting: waiting, MaxPerUID: 2, peerOf: named,
		ReadTimeout: time.Hour, WriteTimeout: time.Hour, IdleTimeout: time.Hour, unresponsive: time.Hour,
	})
	for i := range conns/2 + waiting/2 {
		c := r.dialAs(1001)
		if i == conns/2 {
			eventually(t, "he has half of the connections", func() bool { open, _ := r.listener.counts(); return open == conns/2 })
		}
		io.WriteString(c, []string{"", "GET /v1/st", get("/v1/find"), get("/v1/wait"), "POST /v1/rescan HTTP/1.0\r\nContent-Length: 9\r\n\r\n{"}[i%5])
	}
	eventually(t, "he has half of each", func() bool {
		open, waits := r.listener.counts()
		return open == conns/2 && waits == waiting/2
	})
	status, head, body := r.answer(r.asked(1001, get("/v1/status")))
	problemIn(t, wire.ErrUnavailable, status, head, body)
	for range 3 { // nor can several such users
		for uid := range uint32(6) {
			if _, err := r.clientOf(2000+uid).Explain(t.Context(), "/x"); err != nil {
				t.Errorf("uid %d: %v", 2000+uid, err)
			}
		}
		if _, err := r.client.Status(t.Context()); err != nil {
			t.Error(err)
		}
		for range conns {
			r.asked(1002, get("/v1/wait"))
		}
	}
}

// asked is a connection of a user on which something was sent.
func (r *running) asked(uid uint32, text string) net.Conn {
	r.t.Helper()
	c := r.dialAs(uid)
	io.WriteString(c, text)
	return c
}

// TestOneConnectionKeepsNoOthersOut: idle connections, incomplete requests and readers that
// do not read make room for requests of the same user.
func TestOneConnectionKeepsNoOthersOut(t *testing.T) {
	const conns = 16
	r := serve(t, &fake{find: rows(1 << 30)}, Options{
		MaxConns: 2 * conns, peerOf: named, ReadTimeout: time.Hour, WriteTimeout: time.Hour, IdleTimeout: time.Hour,
		unresponsive: 20 * time.Millisecond,
	})
	bad := func(i int) {
		switch c := r.dialAs(1001); i % 4 {
		case 0:
		case 1:
			io.WriteString(c, "GET /v1/st")
		case 2:
			io.WriteString(c, get("/v1/find"))
		case 3:
			io.WriteString(c, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n") // and stays
		}
	}
	for i := range 4 * conns {
		bad(i)
	}
	eventually(t, "they have all there are", func() bool { open, _ := r.listener.counts(); return open == conns })
	for i := range 10 {
		if _, err := r.clientOf(1001).Explain(t.Context(), "/x"); err != nil {
			t.Error(err)
		}
		for k := range 5 {
			bad(i + k)
		}
	}
}

// TestAdministratorIsAnswered: root is answered although every connection of root waits for
// something. On the reserve, requests must not wait.
func TestAdministratorIsAnswered(t *testing.T) {
	const conns = 8
	r := serve(t, &fake{}, Options{MaxConns: 2 * conns, peerOf: named})
	for range conns {
		io.WriteString(r.dialAs(0), get("/v1/wait"))
	}
	eventually(t, "all wait", func() bool { return r.stats.working.Load() == conns })
	for range 3 * maxReserve {
		if _, err := r.clientOf(0).Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		status, head, body := r.answer(r.asked(0, get("/v1/wait")))
		problemIn(t, wire.ErrUnavailable, status, head, body)
	}
}

// TestTurnsOfMany: a fairSemaphore never exceeds its limits, per user or in total, and
// serves everyone. A user that holds no slot finds a free one.
func TestTurnsOfMany(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	const per, total, uids = 4, 8, 5
	slots := newFairSemaphore(per, total, nil)
	var all atomic.Int32
	var each [uids]atomic.Int32
	var wg sync.WaitGroup
	for i := range 400 {
		uid, gives, goes := rnd.IntN(uids), 1+rnd.IntN(3), rnd.IntN(10) == 0
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if goes {
				time.AfterFunc(time.Duration(i)*time.Microsecond, cancel)
			}
			q := slot{of: slots, uid: uint32(uid)}
			for range gives {
				if q.acquire(ctx) != nil {
					return
				}
				if n, m := all.Add(1), each[uid].Add(1); n > total || m > per {
					t.Errorf("%d at once, %d of one uid", n, m)
				}
				each[uid].Add(-1)
				all.Add(-1)
				q.release()
			}
		})
	}
	wg.Wait()
	if slots.taken != 0 || len(slots.users) != 0 || len(slots.ring) != 0 {
		t.Errorf("left: %d, %v, %v", slots.taken, slots.users, slots.ring)
	}
	// One takes all that it gets; the next one has something at once.
	taken := 0
	for uid := range uint32(3) {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		for ; slots.free(&userSlots{uid: uid, taken: n}); n++ {
			if err := slots.acquire(ctx, uid, false); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if n == 0 {
			t.Errorf("uid %d gets none", uid)
		}
		taken += n
	}
	if taken >= total {
		t.Errorf("%d taken of %d", taken, total)
	}
}

// TestShortBeforeLong: requests that come for the first time go before those that have
// held a slot, but not always.
func TestShortBeforeLong(t *testing.T) {
	slots := newFairSemaphore(1, 2, nil)
	slots.acquire(t.Context(), 7, false)
	const n = 12
	got := make(chan bool, 2*n)
	var wg sync.WaitGroup
	for i := range 2 * n {
		again := i < n
		wg.Go(func() {
			slots.acquire(t.Context(), 7, again)
			got <- again
			slots.release(7)
		})
		eventually(t, "it queues", func() bool { return slots.waiting() == i+1 })
	}
	slots.release(7)
	wg.Wait()
	long := 0
	for range n {
		if <-got {
			long++
		}
	}
	if long == 0 || long > n/3 {
		t.Errorf("%d of the first %d were long", long, n)
	}
}

// TestTooMuchWork: a request that works for too long ends. Waiting is not work.
func TestTooMuchWork(t *testing.T) {
	r := serve(t, &fake{find: func(ctx context.Context, p Peer, req *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
		if req.Sync > 0 {
			resume := Waiting(ctx)
			time.Sleep(600 * time.Millisecond) // longer than it may work
			return wire.Trailer{Count: 1}, resume()
		}
		if _, err := rows(req.Limit)(ctx, p, req, s); err != nil {
			return wire.Trailer{}, err
		}
		<-ctx.Done()
		return wire.Trailer{}, context.Cause(ctx)
	}}, Options{MaxWork: 500 * time.Millisecond})
	status, head, body := r.ask(get("/v1/find"))
	problemIn(t, wire.ErrTooLarge, status, head, body)
	if status, _, body := r.ask(get("/v1/find?limit=1000")); status != 200 || !strings.Contains(body, `"end":{"count":1000`) || !strings.Contains(body, wire.ErrTooLarge.Type) {
		t.Errorf("%d …%s", status, body[max(0, len(body)-300):])
	}
	if status, _, body := r.ask(get("/v1/find?sync=1s")); status != 200 || !strings.Contains(body, `"count":1`) || strings.Contains(body, "error") {
		t.Errorf("%d %s", status, body)
	}
}

// TestSlowReaderGetsAll: a reader that pauses gets the complete answer, and Flush reports
// that it is slow.
func TestSlowReaderGetsAll(t *testing.T) {
	const n = 20_000
	slow := make(chan struct{}, n)
	r := serve(t, &fake{find: func(ctx context.Context, _ Peer, _ *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
		for i := range n {
			if err := s.Row([]byte("/some/directory"), entry(fmt.Sprintf("name-%09d", i)), false); err != nil {
				return wire.Trailer{}, err
			}
			if !s.Full() {
				continue
			}
			late, err := s.Flush(ctx)
			if late && err == nil {
				slow <- struct{}{}
				err = s.Drain(ctx)
			}
			if err != nil {
				return wire.Trailer{}, err
			}
		}
		return wire.Trailer{}, nil
	}}, Options{})
	for _, ask := range []string{get("/v1/find"), "GET /v1/find HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"} {
		c := r.dial()
		io.WriteString(c, ask)
		<-slow // nothing is read before
		var b bytes.Buffer
		io.CopyN(&b, c, 300_000)
		<-slow
		status, _, body := r.answer(&begun{c, io.MultiReader(&b, c)})
		if got := strings.Count(body, "\n"); status != 200 || got != n+1 || !strings.Contains(body, fmt.Sprintf(`"count":%d`, n)) {
			t.Errorf("%d, %d lines", status, got)
		}
		for i, line := range strings.Split(body, "\n")[:n] {
			if !strings.Contains(line, fmt.Sprintf(`"name-%09d"`, i)) {
				t.Fatalf("line %d is %s", i, line)
			}
		}
	}
}

// begun is a connection of which something was read.
type begun struct {
	net.Conn
	from io.Reader
}

func (b *begun) Read(p []byte) (int, error) { return b.from.Read(p) }

// TestStalledBodies: large bodies that do not arrive make room for one that does.
func TestStalledBodies(t *testing.T) {
	scale.SkipIfShort(t)
	r := serve(t, &fake{}, Options{ReadTimeout: time.Hour, peerOf: named})
	big := strings.Repeat(" ", 100<<10)
	for range 3 * maxLarge {
		io.WriteString(r.dialAs(1001), fmt.Sprintf("POST /v1/rescan HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", len(big)+1, big))
	}
	eventually(t, "they are being read", func() bool { return r.large.held() == maxLarge && r.large.waiting() == 2*maxLarge })
	for _, uid := range []uint32{1002, 1001} {
		c := r.dialAs(uid)
		go io.WriteString(c, post("/v1/rescan", big+"{}"))
		if status, _, body := r.answer(c); status != 202 {
			t.Errorf("uid %d: %d %s", uid, status, body)
		}
	}
}

// TestNoDescriptors: after descriptors were short, connections are accepted again.
func TestNoDescriptors(t *testing.T) {
	dir, err := os.MkdirTemp("", "ipc") // a short path
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	inner, err := Listen(filepath.Join(dir, "s"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	l := &failing{Listener: inner}
	s := New(&fake{}, Options{Grace: 100 * time.Millisecond})
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- s.Serve(ctx, l) }()
	client := ipc.Client{Sockets: []string{filepath.Join(dir, "s")}}
	for range 5 {
		if _, err := client.Status(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if l.failed.Load() < 5 {
		t.Error("it did not fail")
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// failing is a listener whose first calls of Accept fail.
type failing struct {
	net.Listener
	failed atomic.Int32
}

func (l *failing) Accept() (net.Conn, error) {
	if n := l.failed.Add(1); n < 4 {
		return nil, &net.OpError{Op: "accept", Err: [...]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM}[n-1]}
	}
	return l.Listener.Accept()
}

func TestDescriptors(t *testing.T) {
	for _, c := range []struct{ files, conns, waiting int }{
		{1 << 20, 1024, 8192}, {4096, 992, 1984}, {1024, 224, 448}, {256, 32, 64}, {64, 8, 16}, {0, 2, 2},
	} {
		conns, waiting := connLimits(1024, 8192, c.files)
		if conns != c.conns || waiting != c.waiting {
			t.Errorf("of %d files %d and %d, not %d and %d", c.files, conns, waiting, c.conns, c.waiting)
		}
		if c.files >= 64 && 2*conns+waiting > c.files {
			t.Errorf("%d files are too few for %d and %d", c.files, conns, waiting)
		}
	}
}
