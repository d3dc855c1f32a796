package ipc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"indexd/ipc/wire"
)

// canned is a connection to a daemon that says what it says.
type canned struct {
	io.Reader
}

func (canned) Write(p []byte) (int, error) { return len(p), nil }
func (canned) Close() error                { return nil }

// FuzzAnswer has every call of the client read any bytes as its answer: it ends,
// with an error where the answer has no end.
func FuzzAnswer(f *testing.F) {
	ok := func(contentType, body string) []byte {
		return []byte("HTTP/1.0 200 OK\r\nIndexd-Protocol: 1\r\nIndexd-Version: 1\r\nContent-Type: " + contentType + "\r\n\r\n" + body)
	}
	f.Add(byte(0), uint16(1), ok(wire.TypeNDJSON, `{"path":"/a/b","name":"b","dir":"/a","type":"f","size":2317,"blocks":8,"mtime":"2026-01-31T09:12:03.120000000Z","mode":"0644","uid":0,"gid":0,"inode":13,"nlink":1}`+"\n"+`{"end":{"count":1,"first_clock":"42","last_clock":"42","complete":true}}`+"\n"))
	f.Add(byte(1), uint16(3), ok(wire.TypePaths0, "/a\x00/b\xff\x00\x00"+`{"end":{"count":2,"complete":false,"stale":[{"path":"/mnt","reason":"offline"}]}}`+"\n"))
	f.Add(byte(2), uint16(99), ok(wire.TypeNDJSON, `{"job":{"id":18,"state":"queued","paths":["/etc"]}}`+"\n"+`{"dir":{"worker":3,"dir":"/etc/ssl","files":4}}`+"\n"+`{"end":{"job":{"id":18,"state":"done"}}}`+"\n"))
	f.Add(byte(3), uint16(5), ok(wire.TypeJSON, `{"jobs":[{"id":1,"paths":[{"b64":"L/8="}]}]}`+"\n"))
	f.Add(byte(4), uint16(0), ok(wire.TypeJSON, `{"version":"1","roots":[{"path":"/","state":"live"}]}`+"\n"))
	f.Add(byte(5), uint16(0), ok(wire.TypeJSON, `{"path":"/proc","indexed":false,"reason":"x"}`+"\n"))
	f.Add(byte(6), uint16(7), ok(wire.TypeNDJSON, `{"path":"/etc/motd","change":"modified","fields":["size"]}`+"\n"+`{"end":{"dirs":2,"differences":1}}`+"\n"))
	f.Add(byte(0), uint16(2), []byte("HTTP/1.0 400 Bad Request\r\nIndexd-Protocol: 1\r\n\r\n"+`{"type":"urn:indexd:bad-query","title":"t","status":400,"detail":"d","text":"x","pos":1}`+"\n"))
	f.Add(byte(5), uint16(1), []byte("HTTP/1.0 500\r\nIndexd-Protocol: 1\r\n\r\n"+`{"type":"0","title":" "}`+"\n"))
	f.Add(byte(1), uint16(3), ok(wire.TypePaths0, "\x00{}00\n"))
	f.Add(byte(4), uint16(2), []byte("HTTP/1.0 200 OK\r\nIndexd-Protocol: 2\r\nIndexd-Version: 9\r\n\r\n{}\n"))
	f.Add(byte(1), uint16(2), []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, call byte, piece uint16, said []byte) {
		c := Client{Sockets: []string{"/nowhere"}, Version: "fuzz", Dial: func(context.Context, string) (io.ReadWriteCloser, error) {
			return canned{pieces(said, int(piece))}, nil
		}}
		ctx, rows := t.Context(), 0
		var err error
		switch call % 7 {
		case 0:
			_, err = c.Find(ctx, &wire.FindRequest{}, func(*wire.Row) error { rows++; return nil })
		case 1:
			_, err = c.FindPaths(ctx, &wire.FindRequest{}, func(paths []byte) error {
				if len(paths) == 0 || paths[len(paths)-1] != 0 {
					t.Fatalf("%q is no list of paths", paths)
				}
				for p := range Split(paths) {
					if bytes.IndexByte(p, 0) >= 0 {
						t.Fatalf("%q is no path", p)
					}
				}
				return nil
			})
		case 2:
			_, err = c.Rescan(ctx, &wire.RescanRequest{Wait: true}, func(*wire.JobEvent) error { rows++; return nil })
		case 3:
			_, err = c.Jobs(ctx)
		case 4:
			_, err = c.Status(ctx)
		case 5:
			_, err = c.Explain(ctx, "/x")
		case 6:
			_, err = c.Check(ctx, &wire.CheckRequest{}, func(*wire.Difference) error { rows++; return nil }, nil)
		}
		if errors.Is(err, ErrNoDaemon) || err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Fatalf("%v", err)
		}
		if err == nil && !endsObject(said) {
			t.Fatal("an answer without an end is taken for whole")
		}
	})
}

// endsObject reports whether there is a line that ends as an object does.
func endsObject(said []byte) bool {
	for line := range bytes.Lines(said) {
		if whole, ok := bytes.CutSuffix(line, []byte("\n")); ok && bytes.HasSuffix(bytes.TrimRight(whole, " \t\r"), []byte("}")) {
			return true
		}
	}
	return false
}

// pieces is a reader of b that gives at most n bytes at once.
func pieces(b []byte, n int) io.Reader {
	if n == 0 {
		return bytes.NewReader(b)
	}
	return &inPieces{b, n}
}

type inPieces struct {
	b []byte
	n int
}

func (p *inPieces) Read(to []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(to[:min(p.n, len(to))], p.b)
	p.b = p.b[n:]
	return n, nil
}
