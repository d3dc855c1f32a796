package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"indexd/internal/query/exec"
	"indexd/internal/testutil/scale"
	"indexd/ipc/wire"
)

// TestBadRequests: each gets a problem of its own, and the server continues.
func TestBadRequests(t *testing.T) {
	r := serve(t, &fake{}, Options{MaxBody: 200 << 10, MaxHeader: 4 << 10, Version: "7.1"})
	for _, c := range []struct {
		ask  string
		kind *wire.Problem
		says string
	}{
		{get("/v1/du"), wire.ErrVersion, "no /v1/du"},
		{get("/"), wire.ErrVersion, ""},
		{get("/v2/find"), wire.ErrVersion, ""},
		{"PUT /v1/find HTTP/1.0\r\n\r\n", wire.ErrMethod, "takes GET and POST, not PUT"},
		{get("/v1/rescan"), wire.ErrMethod, ""},
		{get("/v1/jobs/abc"), wire.ErrNotFound, ""},
		{get("/v1/jobs/-1"), wire.ErrNotFound, ""},
		{get("/v1/explain"), wire.ErrBadRequest, "not absolute"},
		{get("/v1/explain?path=a/b"), wire.ErrBadRequest, "not absolute"},
		{get("/v1/explain?path=/a%00b"), wire.ErrBadRequest, "NUL"},
		{get("/v1/find?q=%zz"), wire.ErrBadRequest, ""},
		{get("/v1/find?later=1"), wire.ErrVersion, `parameter "later"`},
		{get("/v1/find?limit=many"), wire.ErrBadRequest, `parameter "limit": "many" is not a whole number`},
		{get("/v1/find?limit=-1"), wire.ErrBadRequest, "negative"},
		{get("/v1/find?sync=soon"), wire.ErrBadRequest, "not a duration"},
		{get("/v1/wait?ready=maybe"), wire.ErrBadRequest, "ready"},
		{post("/v1/find", `{"later":1}`), wire.ErrVersion, `unknown field "later"`},
		{post("/v1/find", `{"terms":`), wire.ErrBadRequest, ""},
		{post("/v1/find", `{} {}`), wire.ErrBadRequest, "more"},
		{post("/v1/find", `[]`), wire.ErrBadRequest, "body: an array where another kind of value belongs"},
		{post("/v1/find", `{"limit":"x"}`), wire.ErrBadRequest, `body: limit cannot be a string`},
		{post("/v1/find", `{"limit":1.5}`), wire.ErrBadRequest, `body: limit cannot be the number 1.5`},
		{post("/v1/find", `{"terms":[1]}`), wire.ErrBadRequest, ""},
		{post("/v1/find", `{"in":["x"]}`), wire.ErrBadRequest, "not absolute"},
		{post("/v1/find", strings.Repeat("[", 100<<10)), wire.ErrBadRequest, ""},
		{post("/v1/rescan", `{"paths":["../x"]}`), wire.ErrBadRequest, "not absolute"},
		{post("/v1/check", `{"path":"x"}`), wire.ErrBadRequest, "not absolute"},
		{post("/v1/check", `{"paths":["/x"]}`), wire.ErrVersion, `unknown field "paths"`},
		{post("/v1/find", strings.Repeat(" ", 201<<10)), wire.ErrTooLarge, "204800 bytes"},
		{"POST /v1/find HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + strings.Repeat("10000\r\n"+strings.Repeat("x", 65536)+"\r\n", 4) + "0\r\n\r\n", wire.ErrTooLarge, ""},
		{"GET /v1/status HTTP/1.0\r\nX: " + strings.Repeat("y", 20<<10) + "\r\n\r\n", wire.ErrTooLarge, ""},
		{"NONSENSE\r\n\r\n", wire.ErrBadRequest, ""},
		{"GET /v1/status HTTP/1.0\r\nExpect: much\r\n\r\n", wire.ErrBadRequest, "expectation failed"},
		{"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", wire.ErrVersion, "no *"},
		{"GET /v1/status HTTP/1.1\r\n\r\n", wire.ErrBadRequest, "Host"},
		{"POST /v1/find HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: odd\r\n\r\n", wire.ErrBadRequest, ""},
	} {
		status, head, body := r.ask(c.ask)
		short := c.ask[:min(len(c.ask), 60)]
		kind := *c.kind
		if status >= 400 { // which one it is depends on what is wrong
			kind.Status = status
		}
		problemIn(t, &kind, status, head, body)
		if !strings.Contains(body, strings.ReplaceAll(c.says, `"`, `\"`)) || head.Get(wire.HeaderVersion) != "7.1" {
			t.Errorf("%q: %v %s", short, head, body)
		}
		if c.kind == wire.ErrTooLarge && status != 413 && status != 431 || c.kind == wire.ErrMethod && head.Get("Allow") == "" {
			t.Errorf("%q: %d %v", short, status, head)
		}
	}
	if _, err := r.client.Status(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPathsAreCleaned: paths are compared byte by byte, so there must be one way to write each.
func TestPathsAreCleaned(t *testing.T) {
	got := make(chan string, 8)
	r := serve(t, &fake{
		find: func(_ context.Context, _ Peer, req *wire.FindRequest, _ exec.Sink) (wire.Trailer, error) {
			got <- req.In[0]
			return wire.Trailer{}, nil
		},
		rescan: func(_ context.Context, _ Peer, req *wire.RescanRequest) (wire.Job, error) {
			got <- req.Paths[0]
			return wire.Job{}, nil
		},
		check: func(_ context.Context, _ Peer, req *wire.CheckRequest, _ func(*wire.Difference) error) (wire.CheckResult, error) {
			got <- req.Path
			return wire.CheckResult{}, nil
		},
		expl: func(_ context.Context, _ Peer, path string) (wire.Explanation, error) {
			got <- path
			return wire.Explanation{}, nil
		},
	}, Options{})
	for _, ask := range []string{
		post("/v1/find", `{"in":["/a/../b//c/"]}`), get("/v1/find?in=/b/./c/"), post("/v1/rescan", `{"paths":["/b//c"]}`),
		post("/v1/check", `{"path":"/b/c/."}`), get("/v1/explain?path=//b/c"),
	} {
		if status, _, body := r.ask(ask); status >= 300 {
			t.Errorf("%q: %d %s", ask, status, body)
		} else if p := <-got; p != "/b/c" {
			t.Errorf("%q: %q", ask, p)
		}
	}
}

// TestHalfRequests: a client that sends part of a request and then nothing is dropped in
// time, with an error if the request can be answered.
func TestHalfRequests(t *testing.T) {
	scale.SkipIfShort(t)
	// Long enough for those that do send all of a request.
	r := serve(t, &fake{}, Options{ReadTimeout: 2 * time.Second, IdleTimeout: 2 * time.Second})
	var all sync.WaitGroup
	for _, text := range []string{"", "GET /v1/st", "GET /v1/status HTTP/1.1\r\nHost: x\r\n"} {
		c := r.dial()
		io.WriteString(c, text)
		all.Go(func() {
			c.SetReadDeadline(time.Now().Add(generous))
			if b, err := io.ReadAll(c); bytes.Contains(b, []byte("200 OK")) || err != nil {
				t.Errorf("%q: %q, %v", text, b, err)
			}
		})
	}
	for _, size := range []int{10, 100 << 10} {
		c := r.dial()
		fmt.Fprintf(c, "POST /v1/find HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", size+1, strings.Repeat(" ", size))
		all.Go(func() {
			status, head, body := r.answer(c)
			problemIn(t, wire.ErrTimeout, status, head, body)
		})
	}
	c := r.dial() // idle after an answer
	io.WriteString(c, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
	r.answer(c)
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
	all.Wait()
}

// TestSlowReader: a client that does not read its answer is dropped, the work for it ends,
// and what it got does not look complete.
func TestSlowReader(t *testing.T) {
	ended := make(chan error, 1)
	r := serve(t, &fake{find: func(ctx context.Context, p Peer, req *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
		tr, err := rows(1<<20)(ctx, p, req, s)
		ended <- err
		return tr, err
	}}, Options{WriteTimeout: 100 * time.Millisecond})
	c := r.dial()
	io.WriteString(c, post("/v1/find", ""))
	if err := <-ended; err == nil {
		t.Error("its answer was finished")
	}
	b, _ := io.ReadAll(c)
	if !bytes.HasPrefix(b, []byte("HTTP/1.0 200")) || bytes.Contains(b, []byte(`"end"`)) {
		t.Errorf("%d bytes, with an end", len(b))
	}
	if n := r.stats.dropped.Load(); n != 1 {
		t.Errorf("%d dropped", n)
	}
}

// TestTurns: a limited number of requests of one user is worked on at once. The others
// queue and are answered.
func TestTurns(t *testing.T) {
	const max, clients = 3, 60
	var working, most atomic.Int32
	first := make(chan struct{})
	r := serve(t, &fake{expl: func(ctx context.Context, p Peer, path string) (wire.Explanation, error) {
		n := working.Add(1)
		defer working.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-first
		return wire.Explanation{Path: path}, nil
	}}, Options{MaxPerUID: max})
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			if _, err := r.client.Explain(t.Context(), fmt.Sprintf("/%02d", i)); err != nil {
				t.Error(err)
			}
		})
		eventually(t, "it works or queues", func() bool { return int(working.Load())+r.slots.waiting() == i+1 })
	}
	// One that goes away while it queues is no longer waited for.
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { _, err := r.client.Explain(ctx, "/gone"); gone <- err }()
	eventually(t, "one more queues", func() bool { return r.slots.waiting() == clients-max+1 })
	cancel()
	<-gone
	eventually(t, "it has left the queue", func() bool { return r.slots.waiting() == clients-max })
	// Requests that take no time are answered meanwhile.
	if _, err := r.client.Status(t.Context()); err != nil {
		t.Error(err)
	}
	close(first)
	wg.Wait()
	if most.Load() != max {
		t.Errorf("%d in work at once", most.Load())
	}
	eventually(t, "all slots are given back", func() bool {
		r.slots.mu.Lock()
		defer r.slots.mu.Unlock()
		return len(r.slots.users) == 0
	})
}

// TestTurnsInOrder: first come, first served.
func TestTurnsInOrder(t *testing.T) {
	slots := newFairSemaphore(1, 2, nil)
	ctx := t.Context()
	slots.acquire(ctx, 7, false)
	const n = 50
	got := make(chan int, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			slots.acquire(ctx, 7, false)
			got <- i
			slots.release(7)
		})
		eventually(t, "it queues", func() bool { return slots.waiting() == i+1 })
	}
	if err := slots.acquire(ctx, 8, false); err != nil { // another's are its own
		t.Error(err)
	}
	slots.release(8)
	slots.release(7)
	wg.Wait()
	for i := range n {
		if k := <-got; k != i {
			t.Fatalf("number %d was %d", i, k)
		}
	}
	if len(slots.users) != 0 {
		t.Error("something is left")
	}
}

// TestWaitersHaveNoTurn: requests that wait for a reader, a job, the daemon or a barrier do
// not keep out others of the same user.
func TestWaitersHaveNoTurn(t *testing.T) {
	barrier := make(chan struct{})
	atBarrier := make(chan struct{})
	r := serve(t, &fake{find: func(ctx context.Context, p Peer, req *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
		if req.Sync == 0 {
			return rows(1<<20)(ctx, p, req, s)
		}
		resume := Waiting(ctx)
		atBarrier <- struct{}{}
		<-barrier
		return wire.Trailer{Count: 1}, resume()
	}}, Options{MaxPerUID: 1})
	for range 5 {
		io.WriteString(r.dial(), get("/v1/wait"))
		io.WriteString(r.dial(), get("/v1/jobs/1?wait=1"))
		io.WriteString(r.dial(), post("/v1/rescan", `{"wait":true}`))
		io.WriteString(r.dial(), get("/v1/find")) // never read
	}
	synced := make(chan error)
	go func() {
		_, err := r.client.Find(t.Context(), &wire.FindRequest{Sync: 1}, nil)
		synced <- err
	}()
	<-atBarrier
	eventually(t, "all are in work", func() bool { return r.stats.working.Load() == 21 })
	if _, err := r.client.Explain(t.Context(), "/x"); err != nil {
		t.Error(err)
	}
	close(barrier)
	if err := <-synced; err != nil {
		t.Error(err)
	}
}

// TestLargeBodies: a limited number of large bodies is read at once, and slow ones do not
// make those that wait for them time out.
func TestLargeBodies(t *testing.T) {
	scale.SkipIfShort(t)
	r := serve(t, &fake{}, Options{ReadTimeout: 2 * time.Second})
	big := strings.Repeat(" ", 100<<10)
	for range maxLarge {
		io.WriteString(r.dial(), fmt.Sprintf("POST /v1/rescan HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", len(big)+1, big))
	}
	eventually(t, "the slow ones are being read", func() bool { return r.large.held() == maxLarge })
	if status, _, body := r.ask(post("/v1/rescan", big+"{}")); status != http.StatusAccepted {
		t.Errorf("%d %s", status, body)
	}
	eventually(t, "none is counted any more", func() bool { return r.large.held() == 0 })
}

func TestPeerOfNobody(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if p, err := peerOf(a); err == nil {
		t.Errorf("a pipe has a peer: %+v", p)
	}
}
