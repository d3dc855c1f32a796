package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"indexd/internal/query/exec"
	"indexd/ipc"
	"indexd/ipc/wire"
	"indexd/listing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a Daemon of functions; one that is nil waits for ctx.
type fake struct {
	find   func(context.Context, Peer, *wire.FindRequest, exec.Sink) (wire.Trailer, error)
	rescan func(context.Context, Peer, *wire.RescanRequest) (wire.Job, error)
	job    func(context.Context, Peer, uint64) (wire.Job, error)
	follow func(context.Context, Peer, uint64, func(*wire.JobEvent) error) error
	cancel func(context.Context, Peer, uint64) (wire.Job, error)
	status func(context.Context, Peer) (wire.Status, error)
	wait   func(context.Context, Peer, bool) error
	expl   func(context.Context, Peer, string) (wire.Explanation, error)
	check  func(context.Context, Peer, *wire.CheckRequest, func(*wire.Difference) error) (wire.CheckResult, error)
}

func (f *fake) Find(ctx context.Context, p Peer, req *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
	if f.find == nil {
		<-ctx.Done()
		return wire.Trailer{}, ctx.Err()
	}
	return f.find(ctx, p, req, s)
}

func (f *fake) Rescan(ctx context.Context, p Peer, req *wire.RescanRequest) (wire.Job, error) {
	if f.rescan == nil {
		return wire.Job{ID: 1, State: wire.JobQueued, Paths: req.Paths, UID: p.UID}, nil
	}
	return f.rescan(ctx, p, req)
}

func (f *fake) Jobs(context.Context, Peer) ([]wire.Job, error) { return nil, nil }

func (f *fake) Job(ctx context.Context, p Peer, id uint64) (wire.Job, error) {
	if f.job == nil {
		return wire.Job{ID: id, State: wire.JobRunning}, nil
	}
	return f.job(ctx, p, id)
}

func (f *fake) FollowJob(ctx context.Context, p Peer, id uint64, event func(*wire.JobEvent) error) error {
	if f.follow == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return f.follow(ctx, p, id, event)
}

func (f *fake) Cancel(ctx context.Context, p Peer, id uint64) (wire.Job, error) {
	if f.cancel == nil {
		return wire.Job{ID: id, State: wire.JobCancelled}, nil
	}
	return f.cancel(ctx, p, id)
}

func (f *fake) Status(ctx context.Context, p Peer) (wire.Status, error) {
	if f.status == nil {
		return wire.Status{Version: "test"}, nil
	}
	return f.status(ctx, p)
}

func (f *fake) Wait(ctx context.Context, p Peer, ready bool) error {
	if f.wait == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	return f.wait(ctx, p, ready)
}

func (f *fake) Explain(ctx context.Context, p Peer, path string) (wire.Explanation, error) {
	if f.expl == nil {
		return wire.Explanation{Path: path, Indexed: true}, nil
	}
	return f.expl(ctx, p, path)
}

func (f *fake) Check(ctx context.Context, p Peer, req *wire.CheckRequest, each func(*wire.Difference) error, progress func(wire.CheckResult) error) (wire.CheckResult, error) {
	if f.check == nil {
		<-ctx.Done()
		return wire.CheckResult{}, ctx.Err()
	}
	return f.check(ctx, p, req, each)
}

// running is a Server under test.
type running struct {
	*Server
	t      *testing.T
	socket string
	client *ipc.Client
	stop   context.CancelFunc // ends Serve as a signal would
	served chan error         // what Serve returned
}

// serve starts a server, which the end of the test stops.
func serve(t *testing.T, d Daemon, o Options) *running {
	t.Helper()
	dir, err := os.MkdirTemp("", "ipc") // a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := Listen(socket, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if o.Grace == 0 {
		o.Grace = 100 * time.Millisecond
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Server: New(d, o), t: t, socket: socket, client: &ipc.Client{Sockets: []string{socket}}, stop: stop, served: make(chan error, 1)}
	go func() { r.served <- r.Serve(ctx, l) }()
	eventually(t, "it serves", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.listener != nil
	})
	t.Cleanup(func() {
		stop()
		if err := <-r.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

// connections are those that are served.
func (r *running) connections() int {
	open, _ := r.listener.counts()
	return open
}

// dial opens a bare connection, which the end of the test closes.
func (r *running) dial() *net.UnixConn {
	r.t.Helper()
	c, err := net.Dial("unix", r.socket)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c.(*net.UnixConn)
}

// named is an Options.peerOf that believes what dialAs says.
func named(nc net.Conn) (Peer, error) {
	if uid, ok := strings.CutPrefix(nc.RemoteAddr().String(), "@indexd-test-"); ok {
		var p Peer
		_, err := fmt.Sscanf(uid, "%d-", &p.UID)
		return p, err
	}
	return peerOf(nc)
}

var dialled atomic.Int64

// dialAs opens a connection as if another user did.
func (r *running) dialAs(uid uint32) *net.UnixConn {
	r.t.Helper()
	c, err := dialAs(r.socket, uid)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

func dialAs(socket string, uid uint32) (*net.UnixConn, error) {
	from := &net.UnixAddr{Name: fmt.Sprintf("@indexd-test-%d-%d-%d", uid, os.Getpid(), dialled.Add(1)), Net: "unix"}
	return net.DialUnix("unix", from, &net.UnixAddr{Name: socket, Net: "unix"})
}

// clientOf is a client of a user's.
func (r *running) clientOf(uid uint32) *ipc.Client {
	return &ipc.Client{Sockets: []string{r.socket}, Dial: func(_ context.Context, socket string) (io.ReadWriteCloser, error) {
		return dialAs(socket, uid)
	}}
}

// ask sends text as it is on a connection of its own and returns the whole
// answer.
func (r *running) ask(text string) (status int, head http.Header, body string) {
	r.t.Helper()
	c := r.dial()
	defer c.Close()
	go io.WriteString(c, text) // a server may answer before it has read all
	return r.answer(c)
}

func (r *running) answer(c net.Conn) (status int, head http.Header, body string) {
	r.t.Helper()
	c.SetReadDeadline(time.Now().Add(generous))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		r.t.Errorf("no answer: %v", err)
		return 0, nil, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Errorf("answer: %v", err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func get(target string) string { return "GET " + target + " HTTP/1.0\r\n\r\n" }

func post(target, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", target, len(body), body)
}

// generous is how long a condition may take to come true on a loaded machine.
const generous = 3 * time.Minute

// eventually waits for what another goroutine or process does soon.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(generous)
	for tick := time.NewTicker(time.Millisecond); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%s: not within %v\n%s", what, generous, buf[:runtime.Stack(buf, true)])
		}
	}
}

// entry is a regular file.
func entry(name string) *listing.Entry {
	return &listing.Entry{Name: name, Stat: listing.Stat{Ino: 5, Size: 6, Blocks: 8, Mode: 0o100644, UID: 7, GID: 9, Nlink: 1,
		Mtime: listing.Time{Sec: 1700000000, Nsec: 1}}}
}

// rows is a find that gives n rows in pages.
func rows(n int) func(context.Context, Peer, *wire.FindRequest, exec.Sink) (wire.Trailer, error) {
	return func(ctx context.Context, _ Peer, _ *wire.FindRequest, s exec.Sink) (wire.Trailer, error) {
		for i := range n {
			if err := s.Row([]byte("/some/directory"), entry(fmt.Sprintf("name-%09d", i)), false); err != nil {
				return wire.Trailer{}, err
			}
			if s.Full() {
				if err := flush(ctx, s); err != nil {
					return wire.Trailer{}, err
				}
			}
		}
		return wire.Trailer{Complete: true, FirstClock: "1", LastClock: "1"}, nil
	}
}

// flush is Flush, and Drain where that is needed.
func flush(ctx context.Context, s exec.Sink) error {
	slow, err := s.Flush(ctx)
	if slow && err == nil {
		err = s.Drain(ctx)
	}
	return err
}

// problemIn asserts that an answer is a problem of a kind.
func problemIn(t *testing.T, kind *wire.Problem, status int, head http.Header, body string) {
	t.Helper()
	if status != kind.Status || head.Get("Content-Type") != wire.TypeProblem || head.Get(wire.HeaderProtocol) != "1" ||
		!strings.Contains(body, `"type":"`+kind.Type+`"`) || !strings.HasSuffix(body, "}\n") {
		t.Errorf("not a %s: %d %v %s", kind.Type, status, head, body)
	}
}
