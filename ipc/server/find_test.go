package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"indexd/internal/query"
	"indexd/internal/query/exec"
	"indexd/ipc"
	"indexd/ipc/wire"
	"indexd/listing"
)

// hostile are names as they may stand in any directory.
var hostile = []string{"plain", "new\nline", "\xff\xfe", "-n", "\"quo\\ted\"", "é日本", "\x01\x1b[31m", "a\u009b", strings.Repeat("x", 255), " "}

func TestFindRowsAndPaths(t *testing.T) {
	var want []string
	var asked []*wire.FindRequest
	dirs := []string{"/", "/a", "/\xffb", "/" + strings.Repeat("deep/", 2400) + "x"}
	for _, d := range dirs {
		for _, n := range hostile {
			want = append(want, strings.TrimSuffix(d, "/")+"/"+n)
		}
	}
	r := serve(t, &fake{find: func(ctx context.Context, p Peer, req *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
		if p.UID != uint32(os.Geteuid()) || p.PID != int32(os.Getpid()) {
			t.Errorf("peer %+v", p)
		}
		if !p.In(uint32(os.Getegid())) {
			t.Errorf("%+v is not in its own group", p)
		}
		asked = append(asked, req)
		dir := make([]byte, 0, 20000)
		for _, d := range dirs {
			dir = append(dir[:0], d...) // the caller's own, written over
			for i, n := range hostile {
				e := entry(n)
				switch i {
				case 1:
					e.StatErrno = 5
					e.Mode = 0o040000
				case 2:
					e.Mode = 0o120777
				}
				if err := s.Row(dir, e, i == 3); err != nil {
					return wire.Trailer{}, err
				}
				if s.Full() {
					if err := flush(ctx, s); err != nil {
						return wire.Trailer{}, err
					}
				}
			}
		}
		return wire.Trailer{FirstClock: "a", LastClock: "b", Stale: []wire.Stale{{Path: "/\xff", Reason: wire.StaleOffline}}}, nil
	}}, Options{FirstPageSize: 300, PageSize: 1000})
	req := &wire.FindRequest{Request: query.Request{Terms: []string{"x", "\xff"}, In: []string{"/\xfe"}, Limit: 3}, Sync: wire.Duration(time.Second)}
	var got []string
	tr, err := r.client.FindPaths(t.Context(), req, func(b []byte) error {
		for p := range ipc.Split(b) {
			got = append(got, string(p))
		}
		return nil
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d paths of %d, %v", len(got), len(want), err)
	}
	wantTrailer := wire.Trailer{Count: int64(len(want)), FirstClock: "a", LastClock: "b", Stale: []wire.Stale{{Path: "/\xff", Reason: wire.StaleOffline}}}
	if !reflect.DeepEqual(tr, wantTrailer) {
		t.Errorf("trailer %+v", tr)
	}
	got = nil
	tr, err = r.client.Find(t.Context(), req, func(row *wire.Row) error {
		got = append(got, row.Path())
		w := wire.Row{Dir: row.Dir, Entry: *entry(row.Name)}
		switch slices.Index(hostile, row.Name) {
		case 1:
			w = wire.Row{Dir: row.Dir, Entry: listing.Entry{Name: row.Name, Stat: listing.Stat{Mode: 0o040000}}, NoMeta: true}
		case 2:
			w.Mode = 0o120777
		case 3:
			w = wire.Row{Dir: row.Dir, Entry: listing.Entry{Name: row.Name, Stat: listing.Stat{Mode: 0o100000}}, NoMeta: true}
		}
		if *row != w {
			t.Errorf("got %+v\nwant %+v", *row, w)
		}
		return nil
	})
	if err != nil || !slices.Equal(got, want) || !reflect.DeepEqual(tr, wantTrailer) {
		t.Errorf("%d rows of %d, %+v, %v", len(got), len(want), tr, err)
	}
	for i, a := range asked {
		want := *req
		want.PathsOnly = i == 0
		if !reflect.DeepEqual(a, &want) {
			t.Errorf("asked %+v\nnot   %+v", a, want)
		}
	}
	// The same from a shell, without a body and with one that is no list.
	asked = nil
	status, head, body := r.ask(get("/v1/find?q=x&q=%ff&in=/tmp&filter=type:f&limit=5&count&sync=2s&mode=fixed&case=ignore&full_path=1&reverse=0&sort=size&after=t-_0&exclude=*.o&min_depth=1&max_depth=2&explain&strict"))
	if status != 200 || head.Get("Content-Type") != wire.TypeNDJSON || !strings.Contains(body, `{"end":{"count":40,`) {
		t.Errorf("%d %v %q", status, head, body)
	}
	wantReq := &wire.FindRequest{Request: query.Request{Terms: []string{"x", "\xff"}, In: []string{"/tmp"}, Filters: []string{"type:f"}, Limit: 5, Count: true, Mode: "fixed", Case: "ignore", FullPath: true, Sort: "size", Exclude: []string{"*.o"}, MinDepth: 1, MaxDepth: 2}, Sync: wire.Duration(2 * time.Second), After: "t-_0", Explain: true, Strict: true, Unresolved: true}
	if !reflect.DeepEqual(asked[0], wantReq) {
		t.Errorf("asked %+v", asked[0])
	}
	r.ask(post("/v1/find", `{"terms":"x"}`))
	if !reflect.DeepEqual(asked[1], &wire.FindRequest{Request: query.Request{Terms: []string{"x"}}}) {
		t.Errorf("asked %+v", asked[1])
	}
}

func TestFindNothing(t *testing.T) {
	r := serve(t, &fake{find: func(ctx context.Context, _ Peer, req *wire.FindRequest, _ exec.Sink) (wire.Trailer, error) {
		if req.Count {
			return wire.Trailer{Count: 42}, nil
		}
		return wire.Trailer{}, nil
	}}, Options{})
	never := func([]byte) error { t.Error("paths"); return nil }
	if tr, err := r.client.FindPaths(t.Context(), &wire.FindRequest{}, never); err != nil || tr.Count != 0 {
		t.Error(tr, err)
	}
	if tr, err := r.client.FindPaths(t.Context(), &wire.FindRequest{Request: query.Request{Count: true}}, never); err != nil || tr.Count != 42 {
		t.Error(tr, err)
	}
	if tr, err := r.client.Find(t.Context(), &wire.FindRequest{Request: query.Request{Count: true}}, nil); err != nil || tr.Count != 42 {
		t.Error(tr, err)
	}
	_, head, body := r.ask("POST /v1/find HTTP/1.1\r\nHost: x\r\nAccept: text/x, Application/vnd.indexd.PATHS0;q=1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	if head.Get("Content-Type") != wire.TypePaths0 || !strings.HasPrefix(body, "\x00{\"end\":{") {
		t.Errorf("%v %q", head, body)
	}
}

// TestFindFails: an error before the first page is the answer, and one after it is in the
// trailer. A panic is reported as well. None of them looks like a complete answer.
func TestFindFails(t *testing.T) {
	fail := map[query.Mode]func() error{
		"problem":  func() error { return wire.ErrOutside.With("not there") },
		"internal": func() error { return fmt.Errorf("disk: %w", io.ErrUnexpectedEOF) },
		"panic":    func() error { panic("a bug") },
		"odd":      func() error { return &wire.Problem{Type: "urn:other:odd"} },
	}
	r := serve(t, &fake{find: func(ctx context.Context, p Peer, req *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
		if err := flush(ctx, s); err != nil { // of nothing
			return wire.Trailer{}, err
		}
		if _, err := rows(req.Limit)(ctx, p, req, s); err != nil {
			return wire.Trailer{}, err
		}
		return wire.Trailer{Complete: true}, fail[req.Mode]()
	}}, Options{FirstPageSize: 500})
	for _, n := range []int{0, 1, 100} { // one row is not yet a page
		for mode, want := range map[query.Mode]*wire.Problem{"problem": wire.ErrOutside, "internal": wire.ErrInternal, "panic": wire.ErrInternal, "odd": {Type: "urn:other:odd"}} {
			got := 0
			tr, err := r.client.Find(t.Context(), &wire.FindRequest{Request: query.Request{Mode: mode, Limit: n}}, func(*wire.Row) error { got++; return nil })
			if mode == "panic" && n == 100 {
				if !errors.Is(err, ipc.ErrCutOff) {
					t.Errorf("panic in the middle: %v", err)
				}
				continue
			}
			if !errors.Is(err, want) || n == 100 && got != n || tr.Complete {
				t.Errorf("%s after %d rows: %d rows, %+v, %v", mode, n, got, tr, err)
			}
			if mode == "internal" && !strings.Contains(err.Error(), "unexpected EOF") {
				t.Errorf("the own user does not get the reason: %v", err)
			}
		}
	}
}

// TestClientVanishes: any work of the daemon ends when its client goes away.
func TestClientVanishes(t *testing.T) {
	began := make(chan struct{})
	ended := make(chan struct{})
	block := func(ctx context.Context) error {
		began <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		if !errors.Is(context.Cause(ctx), context.Canceled) {
			t.Errorf("cause %v", context.Cause(ctx))
		}
		return ctx.Err()
	}
	f := &fake{
		find: func(ctx context.Context, p Peer, req *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
			if _, err := rows(100)(ctx, p, req, s); err != nil {
				return wire.Trailer{}, err
			}
			return wire.Trailer{}, block(ctx)
		},
		check: func(ctx context.Context, _ Peer, _ *wire.CheckRequest, each func(*wire.Difference) error) (wire.CheckResult, error) {
			each(&wire.Difference{})
			return wire.CheckResult{}, block(ctx)
		},
		follow: func(ctx context.Context, _ Peer, _ uint64, _ func(*wire.JobEvent) error) error { return block(ctx) },
		wait:   func(ctx context.Context, _ Peer, _ bool) error { return block(ctx) },
		status: func(ctx context.Context, _ Peer) (wire.Status, error) { return wire.Status{}, block(ctx) },
		expl: func(ctx context.Context, _ Peer, _ string) (wire.Explanation, error) {
			return wire.Explanation{}, block(ctx)
		},
	}
	r := serve(t, f, Options{FirstPageSize: 500, ReadTimeout: time.Hour, IdleTimeout: time.Hour, WriteTimeout: time.Hour})
	for _, text := range []string{post("/v1/find", ""), get("/v1/find"), post("/v1/find", `{"terms":["x"]}`), post("/v1/check", "{}"),
		get("/v1/jobs/1?wait=1"), get("/v1/wait"), get("/v1/status"), get("/v1/explain?path=/x"), "GET /v1/wait HTTP/1.1\r\nHost: x\r\n\r\n"} {
		c := r.dial()
		io.WriteString(c, text)
		<-began
		c.Close()
		select {
		case <-ended:
		case <-time.After(generous):
			t.Fatalf("%q: it goes on without its client", text)
		}
	}
}

// TestProtocolExamples runs every command of docs/protocol.md, and decodes every answer in
// it into its type.
func TestProtocolExamples(t *testing.T) {
	doc, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	r := serve(t, &fake{
		find: rows(1000),
		wait: func(context.Context, Peer, bool) error { return nil },
		follow: func(_ context.Context, _ Peer, id uint64, event func(*wire.JobEvent) error) error {
			return event(&wire.JobEvent{End: &wire.JobEnd{Job: wire.Job{ID: id, State: wire.JobDone}}})
		},
		check: func(context.Context, Peer, *wire.CheckRequest, func(*wire.Difference) error) (wire.CheckResult, error) {
			return wire.CheckResult{}, nil
		},
	}, Options{})
	_, lookErr := osexec.LookPath("curl")
	kind, commands := "", 0
	for line := range strings.Lines(string(doc)) {
		line = strings.TrimSpace(line)
		if after, ok := strings.CutPrefix(line, "```"); ok {
			kind = after
			continue
		}
		switch kind {
		case "sh":
			if commands++; lookErr != nil {
				continue
			}
			cmd := osexec.Command("sh", "-c", strings.Replace(line, "curl", "curl -sS --fail-with-body", 1))
			cmd.Env = append(os.Environ(), "S="+r.socket)
			if out, err := cmd.CombinedOutput(); err != nil || len(out) < 10 {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
		case "json":
			var v any = new(wire.JobEvent)
			switch {
			case strings.Contains(line, `"type":"f"`):
				if err := wire.ParseRow([]byte(line), new(wire.Row)); err != nil {
					t.Errorf("%s: %v", line, err)
				}
				continue
			case strings.Contains(line, `"count"`):
				v = &struct{ End wire.Trailer }{}
			case strings.Contains(line, "urn:"):
				v = new(wire.Problem)
			case strings.Contains(line, `"change"`):
				v = new(wire.Difference)
			case strings.Contains(line, `"differences"`):
				v = &struct{ End, Progress wire.CheckResult }{}
			case strings.Contains(line, `"indexed"`):
				v = new(wire.Explanation)
			case strings.HasPrefix(line, `{"id"`):
				v = new(wire.Job)
			}
			if err := json.Unmarshal([]byte(line), v); err != nil || reflect.ValueOf(v).Elem().IsZero() {
				t.Errorf("%s: %v", line, err)
			}
		}
	}
	if commands < 10 {
		t.Errorf("only %d commands", commands)
	}
	if lookErr != nil {
		t.Skip("the commands were not run: no curl")
	}
}

// TestKeepAlive: HTTP/1.1 clients may send several requests on a connection.
func TestKeepAlive(t *testing.T) {
	r := serve(t, &fake{find: rows(3)}, Options{})
	c := r.dial()
	for range 3 {
		io.WriteString(c, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
		if status, _, body := r.answer(c); status != 200 || !strings.HasPrefix(body, `{"version":"test"`) {
			t.Fatal(status, body)
		}
	}
}
