package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"indexd/internal/access"
	"indexd/internal/query/exec"
	"indexd/ipc/wire"
)

// odd is a Daemon that answers at once, with what it was asked in what it says.
func odd() *fake {
	job := func(_ context.Context, p Peer, id uint64) (wire.Job, error) {
		if id%3 == 0 {
			return wire.Job{}, wire.ErrNotFound.With("no job %d", id)
		}
		return wire.Job{ID: id, State: wire.JobDone, UID: p.UID}, nil
	}
	return &fake{
		find: func(ctx context.Context, p Peer, req *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
			t := wire.Trailer{FirstClock: "1", LastClock: "1", Complete: true}
			for _, term := range append(req.Terms, req.Filters...) {
				if err := s.Row([]byte("/dir/"+term), entry(term), req.Reverse); err != nil {
					return t, err
				}
				if s.Full() {
					if err := flush(ctx, s); err != nil {
						return t, err
					}
				}
			}
			for _, in := range req.In {
				t.Stale = append(t.Stale, wire.Stale{Path: in, Reason: wire.StaleOffline})
			}
			if req.Strict {
				return t, wire.ErrOutside.With("%s", strings.Join(req.Terms, " "))
			}
			return t, nil
		},
		rescan: func(_ context.Context, p Peer, req *wire.RescanRequest) (wire.Job, error) {
			return wire.Job{ID: uint64(len(req.Paths)), State: wire.JobQueued, Paths: req.Paths, UID: p.UID}, nil
		},
		job:    job,
		cancel: job,
		follow: func(ctx context.Context, p Peer, id uint64, event func(*wire.JobEvent) error) error {
			j, err := job(ctx, p, id)
			if err != nil {
				return err
			}
			return event(&wire.JobEvent{End: &wire.JobEnd{Job: j}})
		},
		wait: func(context.Context, Peer, bool) error { return nil },
		expl: func(_ context.Context, _ Peer, path string) (wire.Explanation, error) {
			return wire.Explanation{Path: path, Reason: path}, nil
		},
		check: func(_ context.Context, _ Peer, req *wire.CheckRequest, each func(*wire.Difference) error) (wire.CheckResult, error) {
			return wire.CheckResult{Differences: 1}, each(&wire.Difference{Path: req.Path, Change: "created"})
		},
	}
}

// wellFormed asserts that a whole answer is one: JSON of its kind, with its end.
func wellFormed(t *testing.T, status int, head http.Header, body []byte) {
	t.Helper()
	line := func(b []byte, v any) {
		t.Helper()
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatalf("%d %v: %v: %q", status, head, err, b)
		}
	}
	switch kind := head.Get("Content-Type"); {
	case status == http.StatusInternalServerError:
		t.Fatalf("it failed: %s", body)
	case kind == wire.TypeProblem:
		var p wire.Problem
		if line(body, &p); p.Type == "" || p.Status != status || status < 400 {
			t.Fatalf("%d %s", status, body)
		}
	case status >= 400:
		t.Fatalf("%d without a problem: %v %q", status, head, body)
	case kind == wire.TypeJSON:
		line(body, &map[string]any{})
	case kind == wire.TypeNDJSON:
		lines := bytes.SplitAfter(body, []byte("\n"))
		for _, l := range lines[:len(lines)-1] {
			line(l, &map[string]any{})
		}
		if len(lines) < 2 || len(lines[len(lines)-1]) > 0 || !bytes.HasPrefix(lines[len(lines)-2], []byte(`{"end":`)) {
			t.Fatalf("no end: %q", body)
		}
	case kind == wire.TypePaths0:
		i := bytes.LastIndex(body, []byte("\x00{\"end\":"))
		if i < 0 || i > 0 && body[i-1] != 0 {
			t.Fatalf("no end: %q", body)
		}
	case strings.HasPrefix(kind, "text/plain; version=0.0.4"):
	default:
		t.Fatalf("%d %v %q", status, head, body)
	}
	if head.Get(wire.HeaderProtocol) != "1" {
		t.Fatalf("no protocol: %v", head)
	}
}

// FuzzHandlers gives each handler any query string and any body.
func FuzzHandlers(f *testing.F) {
	for i, q := range []string{"q=a&q=b&filter=type:f&in=/usr&sort=size&limit=10&count", "wait=1", "ready=1", "path=/proc/1%ff", "sync=30s&strict=1&explain=0", "%zz", "limit=99999999999999999999", "later=1"} {
		f.Add(byte(i), q, "application/x-ndjson", []byte(`{"terms":["readme",{"b64":"L/8="}],"case":"ignore","in":["/home"],"count":true}`))
		f.Add(byte(i+8), q, wire.TypePaths0, []byte(`{"paths":["/usr"],"wait":true,"path":"/etc","repair":false}`))
		f.Add(byte(i+16), q, "*/*", []byte(`{"terms":"x","sync":"5s","unresolved":true,"limit":1e3} `))
	}
	type target struct{ method, path string }
	var targets []target
	for _, p := range []string{"/v1/find", "/v1/rescan", "/v1/jobs", "/v1/jobs/", "/v1/status", "/v1/explain", "/v1/check", "/v1/wait", "/metrics"} {
		for _, e := range endpoints(p) {
			if p == "/v1/jobs/" {
				p = "/v1/jobs/17"
			}
			targets = append(targets, target{e.method, p})
		}
	}
	s := New(odd(), Options{})
	s.listener = newListener(nil, s)
	base := context.WithValue(context.Background(), connKey{}, &conn{l: s.listener, peer: Peer{Credentials: access.Credentials{UID: 1000}}})
	f.Fuzz(func(t *testing.T, which byte, query, accept string, body []byte) {
		to := targets[int(which)%len(targets)]
		r := httptest.NewRequestWithContext(base, to.method, "http://indexd"+to.path, bytes.NewReader(body))
		r.URL.RawQuery = query
		r.Header.Set("Accept", accept)
		if len(body) == 0 {
			r.Body = http.NoBody
		}
		w := httptest.NewRecorder()
		s.serve(w, r)
		wellFormed(t, w.Code, w.Header(), w.Body.Bytes())
		if n := s.slots.held() + s.quick.held() + s.long.held() + s.large.held() + s.sorts.held() + int(s.stats.working.Load()); n != 0 {
			t.Fatalf("%d slots are left", n)
		}
	})
}

// FuzzConnection sends any bytes on a connection: what comes back are whole
// answers, the last of which may be cut off, and the connection is closed.
func FuzzConnection(f *testing.F) {
	for _, text := range []string{
		get("/v1/find?q=x"), post("/v1/find", `{"terms":["x"]}`), "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /v1/check HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"POST /v1/rescan HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", "GET /v1/jobs/1?wait=1 HTTP/1.1\r\nHost: x\r\n\r\n",
		"DELETE /v1/jobs/5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "\x16\x03\x01\x02\x00", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "GET http://a:b@c/v1/../v1/find HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(text))
	}
	dir, err := os.MkdirTemp("", "ipc") // a short path
	if err != nil {
		f.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := Listen(filepath.Join(dir, "s"), 0o600)
	if err != nil {
		f.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- New(odd(), Options{}).Serve(ctx, l) }()
	f.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, sent []byte) {
		c, err := net.Dial("unix", filepath.Join(dir, "s"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(generous))
		c.Write(sent) // it may be closed before all is read
		c.(*net.UnixConn).CloseWrite()
		got, err := io.ReadAll(c)
		if err != nil && !isReset(err) {
			t.Fatal(err)
		}
		for b := bufio.NewReader(bytes.NewReader(got)); ; {
			if _, err := b.Peek(1); err != nil {
				break
			}
			resp, err := http.ReadResponse(b, nil)
			if err != nil {
				if !bytes.Contains(got, []byte("\r\n\r\n")) {
					return // cut off within its header
				}
				t.Fatalf("%v: %q", err, got)
			}
			if resp.StatusCode == http.StatusContinue {
				continue
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 {
				return // cut off, or without a length: nobody waited for it
			}
			if resp.StatusCode == http.StatusInternalServerError && bytes.Contains(body, []byte("context canceled")) {
				continue // as we do not send more, nobody waits
			}
			if resp.StatusCode == http.StatusOK && resp.ContentLength < 0 && !bytes.Contains(body, []byte(`{"end":`)) {
				return // likewise, a stream then has no end
			}
			wellFormed(t, resp.StatusCode, resp.Header, body)
		}
	})
}

func isReset(err error) bool {
	return strings.Contains(err.Error(), "reset by peer") || errors.Is(err, net.ErrClosed)
}
