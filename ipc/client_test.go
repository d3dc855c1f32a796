package ipc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"indexd/internal/query"
	"indexd/ipc/wire"
	"indexd/listing"
)

// tempDir is a directory whose path is short enough for a socket's.
func tempDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "ipc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// scripted is a client whose connections each get answer, in pieces of at most
// n bytes, whatever they ask; requests gets what they asked.
func scripted(t *testing.T, answer []byte, n int, requests chan<- string) *Client {
	return &Client{
		Sockets: []string{"/scripted"},
		Version: "1.0",
		Dial: func(context.Context, string) (io.ReadWriteCloser, error) {
			mine, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				r := bufio.NewReader(theirs)
				var asked strings.Builder
				length := 0
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					asked.WriteString(line)
					fmt.Sscanf(line, "Content-Length: %d", &length)
					if line == "\r\n" {
						break
					}
				}
				io.CopyN(&asked, r, int64(length))
				if requests != nil {
					requests <- asked.String()
				}
				for b := answer; len(b) > 0; {
					k := min(n, len(b))
					if _, err := theirs.Write(b[:k]); err != nil {
						return
					}
					b = b[k:]
				}
			}()
			return mine, nil
		},
	}
}

const okHead = "HTTP/1.0 200 OK\r\nindexd-protocol: 1\r\nIndexd-Version: 2.0\r\nContent-Type: application/x-ndjson\r\n\r\n"

// row is a regular file in /d.
func row(name string) *wire.Row {
	return &wire.Row{Dir: "/d", Entry: listing.Entry{Name: name, Stat: listing.Stat{Mode: 0o100644}}}
}

func TestFindPieces(t *testing.T) {
	body := ""
	for i := range 30 {
		body += string(row(fmt.Sprint(i, "\n\xff")).AppendJSON(nil)) + "\n"
	}
	end := `{"end":{"count":30,"first_clock":"a","last_clock":"b","complete":true}}` + "\n"
	for _, n := range []int{1, 7, 100, 1 << 20} {
		asked := make(chan string, 1)
		c := scripted(t, []byte(okHead+body+end), n, asked)
		i := 0
		tr, err := c.Find(t.Context(), &wire.FindRequest{Request: query.Request{Terms: []string{"x"}}}, func(r *wire.Row) error {
			if want := fmt.Sprint(i, "\n\xff"); r.Name != want {
				t.Errorf("row %d is %q", i, r.Name)
			}
			i++
			return nil
		})
		if err != nil || i != 30 || tr.Count != 30 || tr.LastClock != "b" || !tr.Complete {
			t.Errorf("pieces of %d: %d rows, %+v, %v", n, i, tr, err)
		}
		want := "POST /v1/find HTTP/1.0\r\nHost: indexd\r\nUser-Agent: indexctl/1.0\r\nAccept: application/x-ndjson\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n" + `{"terms":["x"]}`
		if got := <-asked; got != want {
			t.Errorf("asked %q", got)
		}
	}
}

func TestFindPathsPieces(t *testing.T) {
	end := "\x00" + `{"end":{"count":2,"first_clock":"","last_clock":"","complete":false}}` + "\n"
	for _, list := range [][]string{nil, {"/a"}, {"/a", "/b\n", "/\xff" + strings.Repeat("x", 200000), "/c"}} {
		body := ""
		for _, p := range list {
			body += p + "\x00"
		}
		for _, n := range []int{1, 3, 1000, 1 << 20} {
			if n < 100 && len(body) > 1000 {
				continue
			}
			var got []string
			_, err := scripted(t, []byte(okHead+body+end), n, nil).FindPaths(t.Context(), &wire.FindRequest{}, func(b []byte) error {
				for p := range Split(b) {
					got = append(got, string(p))
				}
				if len(b) == 0 || b[len(b)-1] != 0 {
					t.Fatalf("not whole paths: %.40q", b)
				}
				clear(b)
				return nil
			})
			if err != nil || strings.Join(got, "\x00") != strings.Join(list, "\x00") {
				t.Errorf("pieces of %d: %d paths of %d, %v", n, len(got), len(list), err)
			}
		}
	}
}

// TestCutOff cuts an answer of each kind at every byte: there is never a whole
// answer, and never a panic.
func TestCutOff(t *testing.T) {
	line := string(row("x").AppendJSON(nil)) + "\n"
	kinds := map[string]struct {
		body string
		call func(*Client) error
	}{
		"find": {line + `{"end":{"count":1}}` + "\n", func(c *Client) error {
			_, err := c.Find(t.Context(), &wire.FindRequest{}, func(*wire.Row) error { return nil })
			return err
		}},
		"paths": {"/d/x\x00/d/y\x00\x00" + `{"end":{"count":2}}` + "\n", func(c *Client) error {
			_, err := c.FindPaths(t.Context(), &wire.FindRequest{}, func([]byte) error { return nil })
			return err
		}},
		"job": {`{"dir":{"worker":1,"dir":"/","files":3}}` + "\n" + `{"end":{"job":{"id":1}}}` + "\n", func(c *Client) error {
			_, err := c.FollowJob(t.Context(), 1, nil)
			return err
		}},
		"check": {`{"path":"/x","change":"created"}` + "\n" + `{"progress":{"dirs":1}}` + "\n" + `{"end":{"dirs":1}}` + "\n", func(c *Client) error {
			_, err := c.Check(t.Context(), &wire.CheckRequest{}, nil, nil)
			return err
		}},
		"status": {`{"version":"1"}` + "\n", func(c *Client) error {
			_, err := c.Status(t.Context())
			return err
		}},
	}
	for name, k := range kinds {
		whole := okHead + k.body
		if err := k.call(scripted(t, []byte(whole), 1<<20, nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for i := range whole {
			err := k.call(scripted(t, []byte(whole[:i]), 1<<20, nil))
			if err == nil {
				t.Fatalf("%s cut at %d of %d: taken for whole", name, i, len(whole))
			}
			if i == 0 || i >= len(okHead) {
				if !errors.Is(err, ErrCutOff) {
					t.Fatalf("%s cut at %d: %v", name, i, err)
				}
			}
			if errors.Is(err, syscall.EPIPE) {
				t.Fatalf("%v would be taken for an error of stdout", err)
			}
		}
	}
}

func TestAnswersOfOthers(t *testing.T) {
	for answer, want := range map[string]string{
		"SSH-2.0-OpenSSH_9.2\r\n":                                                "is not indexd",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}":                         "is not indexd",
		"HTTP/1.0 200 OK\r\nIndexd-Protocol: 2\r\nIndexd-Version: 9\r\n\r\n{}\n": "indexd 9 at /scripted speaks protocol 2, this program 1",
		"HTTP/1.0 404 x\r\nIndexd-Protocol: 1\r\nIndexd-Version: 9\r\n\r\n" + `{"type":"urn:indexd:version","detail":"no /v1/du"}`: "no /v1/du (indexd is version 9, this program 1.0)",
		"HTTP/1.0 500 x\r\nIndexd-Protocol: 1\r\n\r\nboo":                                                                          "status 500 without a reason",
		"HTTP/1.0 200 OK\r\nIndexd-Protocol: 1\r\n\r\n[]\n":                                                                        "cannot decode",
		"HTTP/1.0 200 OK\r\nIndexd-Protocol: 1\r\n" + strings.Repeat("x: y\r\n", 20000):                                            "is not indexd",
	} {
		_, err := scripted(t, []byte(answer), 1<<20, nil).Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v", answer, err)
		}
	}
	p := "HTTP/1.0 422 x\r\nIndexd-Protocol: 1\r\n\r\n" + `{"type":"urn:indexd:outside","title":"t","status":422,"detail":"/x is not in the index"}`
	_, err := scripted(t, []byte(p), 1<<20, nil).Find(t.Context(), &wire.FindRequest{}, nil)
	if !errors.Is(err, wire.ErrOutside) || err.Error() != "/x is not in the index" {
		t.Error(err)
	}
	body := `{"end":{"count":1,"error":{"type":"urn:indexd:stopping","title":"indexd is stopping","status":503}}}` + "\n"
	tr, err := scripted(t, []byte(okHead+body), 1<<20, nil).Find(t.Context(), &wire.FindRequest{}, nil)
	if !errors.Is(err, wire.ErrStopping) || tr.Count != 1 {
		t.Error(tr, err)
	}
	// Events that a later version may add.
	body = `{"mood":{"good":true}}` + "\n" + `{"end":{"job":{"id":5,"later":1}}}` + "\n"
	if j, err := scripted(t, []byte(okHead+body), 1<<20, nil).FollowJob(t.Context(), 5, nil); err != nil || j.ID != 5 {
		t.Error(j, err)
	}
}

func TestContextEndsCalls(t *testing.T) {
	// Nobody ever answers.
	path := filepath.Join(tempDir(t), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	got := make(chan error)
	go func() { got <- (&Client{Sockets: []string{path}}).Wait(ctx, true) }()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(c, make([]byte, 30))
	cancel(why)
	if err := <-got; err != why {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err) // the daemon sees the end
	}
	c.Close()
	if err := (&Client{Sockets: []string{path}}).Wait(ctx, true); err != why {
		t.Error(err)
	}
	// In the middle of a stream, and from inside a callback.
	ctx, cancel = context.WithCancelCause(t.Context())
	body := strings.Repeat(`{"path":"/a/b","type":"f"}`+"\n", 100000)
	n := 0
	_, err = scripted(t, []byte(okHead+body), 1<<20, nil).Find(ctx, &wire.FindRequest{}, func(*wire.Row) error {
		if n++; n == 10 {
			cancel(why)
		}
		return nil
	})
	if err != why || n > 10000 {
		t.Errorf("%v after %d rows", err, n)
	}
	_, err = scripted(t, []byte(okHead+body), 1<<20, nil).Find(t.Context(), &wire.FindRequest{}, func(*wire.Row) error { return why })
	if err != why {
		t.Error(err)
	}
}

func TestConnErrors(t *testing.T) {
	dir := tempDir(t)
	none := filepath.Join(dir, "none.sock")
	dead := filepath.Join(dir, "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	file := filepath.Join(dir, "file")
	os.WriteFile(file, nil, 0o600)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	user := filepath.Join(dir, "indexd", "indexd.sock")
	for _, c := range []struct {
		sockets []string
		want    string
	}{
		{[]string{none}, "indexd is not running: no socket at " + none + "; start it with \"indexd --socket " + none + "\""},
		{[]string{user}, "start it with \"indexd\""},
		{[]string{none, dead}, "indexd is not running: nobody answers at " + dead},
		{[]string{file}, file + " is not a socket"},
		{[]string{none, file}, file + " is not a socket"},
		{[]string{filepath.Join(file, "x")}, "not a directory"},
	} {
		_, err := (&Client{Sockets: c.sockets}).Status(t.Context())
		if !errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v, want %q", c.sockets, err, c.want)
		}
	}
	for errno, want := range map[error]string{syscall.EACCES: "no permission to connect", syscall.ECONNREFUSED: "nobody answers", syscall.EIO: "input/output error"} {
		c := &Client{Sockets: []string{none}, Dial: func(context.Context, string) (io.ReadWriteCloser, error) {
			return nil, os.NewSyscallError("connect", errno)
		}}
		if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

func TestDefaultSockets(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/x")
	t.Setenv("INDEXD_SOCKET", "")
	if s := DefaultSockets(); len(s) != 2 || s[0] != "/x/indexd/indexd.sock" || s[1] != SystemSocket {
		t.Error(s)
	}
	t.Setenv("INDEXD_SOCKET", "/y")
	if s := DefaultSockets(); len(s) != 1 || s[0] != "/y" {
		t.Error(s)
	}
}

// TestFullQueue: connecting to a socket whose queue is full fails at once with
// EAGAIN; a burst of clients must wait instead.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := scripted(t, []byte(okHead+"{}\n"), 1<<20, nil)
		pipe := c.Dial
		full := 5 * time.Second
		c.Dial = func(ctx context.Context, socket string) (io.ReadWriteCloser, error) {
			if time.Since(start) < full {
				return nil, os.NewSyscallError("connect", syscall.EAGAIN)
			}
			return pipe(ctx, socket)
		}
		if _, err := c.Status(t.Context()); err != nil || time.Since(start) > full+time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		full = time.Hour
		if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), "queue has been full") {
			t.Error(err)
		}
	})
}
