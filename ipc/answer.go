package ipc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"syscall"

	"indexd/ipc/wire"
)

// ErrCutOff is returned when an answer ended without its end marker. What came
// before it is true, but not all.
var ErrCutOff = errors.New("the answer was cut off midway")

// cutOff is an ErrCutOff in other words.
type cutOff string

func (e cutOff) Error() string        { return string(e) }
func (e cutOff) Is(target error) bool { return target == ErrCutOff }

const (
	chunkSize  = 64 << 10 // of reads from the socket
	maxHead    = 64 << 10 // of an answer's header
	maxProblem = 1 << 20  // of an error's body
	maxLine    = 64 << 20 // of a line of an answer, and of an answer that is one object
)

// answer is one request's answer, read from its own connection.
type answer struct {
	ctx    context.Context
	conn   io.ReadWriteCloser
	socket string
	unhook func() bool // ends the watch over ctx

	buf  []byte // read and not yet used: buf[r:w]
	r, w int

	status  int
	version string // of the daemon
}

// do sends a request with a body, or nil, and reads the header of its answer. An
// answer that is a problem is returned as an error.
func (c *Client) do(ctx context.Context, method, target, accept string, payload []byte) (*answer, error) {
	conn, socket, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	a := &answer{ctx: ctx, conn: conn, socket: socket, buf: make([]byte, chunkSize)}
	a.unhook = context.AfterFunc(ctx, func() { conn.Close() })
	if err := a.start(c.head(method, target, accept, payload), payload); err != nil {
		a.close()
		return nil, err
	}
	if err := c.accept(a); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// head writes a request's header.
func (c *Client) head(method, target, accept string, payload []byte) []byte {
	b := make([]byte, 0, 512+len(payload))
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.0\r\nHost: indexd\r\nUser-Agent: indexctl/"...)
	b = append(b, c.version()...)
	b = append(b, "\r\nAccept: "...)
	b = append(b, accept...)
	if payload != nil {
		b = append(b, "\r\nContent-Type: "+wire.TypeJSON+"\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(payload)), 10)
	}
	return append(b, "\r\n\r\n"...)
}

// version is the caller's as it may stand in a header.
func (c *Client) version() string {
	for i := range len(c.Version) {
		if c.Version[i] <= ' ' || c.Version[i] >= 0x7f {
			return "unknown"
		}
	}
	if c.Version == "" {
		return "unknown"
	}
	return c.Version
}

// start sends the request and reads the answer's header.
func (a *answer) start(head, payload []byte) error {
	// A server that refuses a request may do so before it has read all of it:
	// what it says counts, not that the rest could not be written.
	a.conn.Write(append(head, payload...))
	end := -1
	for {
		if end = bytes.Index(a.buf[:a.w], []byte("\r\n\r\n")); end >= 0 {
			break
		}
		if a.w >= maxHead {
			return a.notIndexd()
		}
		n, err := a.conn.Read(a.buf[a.w:])
		a.w += n
		if err != nil {
			switch {
			case a.ctx.Err() != nil:
				return context.Cause(a.ctx)
			case a.w > 0:
				return a.notIndexd()
			}
			return cutOff("indexd at " + a.socket + " closed the connection without an answer; its log may say why")
		}
	}
	a.r = end + 4
	return a.parseHead(a.buf[:end])
}

// parseHead reads the status line and the headers that matter.
func (a *answer) parseHead(head []byte) error {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("HTTP/1.")) || len(line) < len("HTTP/1.0 200") {
		return a.notIndexd()
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return a.notIndexd()
	}
	a.status = status
	protocol := ""
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch value := string(bytes.TrimSpace(value)); {
		case bytes.EqualFold(name, []byte(wire.HeaderProtocol)):
			protocol = value
		case bytes.EqualFold(name, []byte(wire.HeaderVersion)):
			a.version = value
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return a.notIndexd()
		}
	}
	switch protocol {
	case strconv.Itoa(wire.Protocol):
		return nil
	case "":
		return a.notIndexd()
	}
	return wire.ErrVersion.With("indexd %s at %s speaks protocol %s, this program %d: the older of the two wants an upgrade (a daemon also a restart)", a.version, a.socket, protocol, wire.Protocol)
}

func (a *answer) notIndexd() error {
	return wire.ErrVersion.With("what answers at %s is not indexd", a.socket)
}

// accept returns the problem that the answer is, if it is one.
func (c *Client) accept(a *answer) error {
	if a.status >= 200 && a.status < 300 {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(a, maxProblem))
	if err != nil {
		return err
	}
	p := &wire.Problem{Status: a.status}
	if json.Unmarshal(body, p) != nil || p.Type == "" {
		return fmt.Errorf("indexd at %s answered with status %d and no reason", a.socket, a.status)
	}
	if errors.Is(p, wire.ErrVersion) {
		return wire.ErrVersion.With("%s (indexd is version %s, this program %s)", p.Error(), a.version, c.version())
	}
	return p
}

// Read reads the body.
func (a *answer) Read(p []byte) (int, error) {
	if a.r < a.w {
		n := copy(p, a.buf[a.r:a.w])
		a.r += n
		return n, nil
	}
	return a.read(p)
}

// read reads from the socket.
func (a *answer) read(p []byte) (n int, err error) {
	if a.ctx.Err() != nil {
		return 0, context.Cause(a.ctx)
	}
	n, err = a.conn.Read(p)
	switch {
	case err == nil || err == io.EOF:
	case a.ctx.Err() != nil:
		err = context.Cause(a.ctx)
	case errors.Is(err, syscall.ECONNRESET):
		err = io.EOF // whole or cut off, like any answer that ends
	}
	return n, err
}

// more reads more of the body into the buffer, behind what is unused in it. It
// returns ErrCutOff at the body's end.
func (a *answer) more() error {
	if a.r > 0 {
		a.w = copy(a.buf, a.buf[a.r:a.w])
		a.r = 0
	}
	if a.w == len(a.buf) {
		if a.w >= maxLine {
			return cutOff("indexd sent a line that is too long to be one")
		}
		a.buf = append(a.buf, make([]byte, len(a.buf))...)
	}
	n, err := a.read(a.buf[a.w:])
	a.w += n
	if n > 0 {
		return nil
	}
	if err == io.EOF {
		return ErrCutOff
	}
	return err
}

// line returns the next line without its newline, valid until the next call.
func (a *answer) line() ([]byte, error) {
	seen := 0
	for {
		if i := bytes.IndexByte(a.buf[a.r+seen:a.w], '\n'); i >= 0 {
			line := a.buf[a.r : a.r+seen+i]
			a.r += seen + i + 1
			return line, nil
		}
		seen = a.w - a.r
		if err := a.more(); err != nil {
			return nil, err
		}
	}
}

// object decodes the whole body, one JSON object on a line, into v.
func (a *answer) object(v any) error {
	line, err := a.line()
	if err != nil {
		return err
	}
	return a.decode(line, v)
}

func (a *answer) decode(line []byte, v any) error {
	if err := json.Unmarshal(line, v); err != nil {
		return a.notUnderstood(err)
	}
	return nil
}

func (a *answer) notUnderstood(err error) error {
	return fmt.Errorf("answer of indexd %s at %s not understood: %w", a.version, a.socket, err)
}

// close closes the connection, so that the daemon stops working for it.
func (a *answer) close() {
	a.unhook()
	a.conn.Close()
}

// do1 is a call whose answer is one object.
func (c *Client) do1(ctx context.Context, method, target string, payload []byte, v any) error {
	a, err := c.do(ctx, method, target, wire.TypeJSON, payload)
	if err != nil {
		return err
	}
	defer a.close()
	return a.object(v)
}

// queryEscape escapes any bytes for the query of a target.
func queryEscape(s string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '.', c == '-', c == '_', c == '~':
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}
