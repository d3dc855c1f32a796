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

// ErrCutOff is returned when an answer ends without its end marker. What came before is
// correct but incomplete.
var ErrCutOff = errors.New("the answer was cut off midway")

// cutOff is an ErrCutOff with another text.
type cutOff string

func (e cutOff) Error() string        { return string(e) }
func (e cutOff) Is(target error) bool { return target == ErrCutOff }

const (
	chunkSize  = 64 << 10 // of reads from the socket, in bytes
	maxHead    = 64 << 10 // of a header
	maxProblem = 1 << 20  // of the body of an error
	maxLine    = 64 << 20 // of a line, and of an answer that is one object
)

// response is the answer to one request, read from its own connection by one goroutine.
type response struct {
	ctx    context.Context
	conn   io.ReadWriteCloser
	socket string
	unhook func() bool // stops closing conn when ctx is done

	buf      []byte // buf[from:to] was read and not used yet
	from, to int

	status  int
	version string // the daemon's
}

// do sends a request and reads the header of its answer. A nil payload sends no body. It
// returns an answer that is a problem as an error.
func (c *Client) do(ctx context.Context, method, target, accept string, payload []byte) (*response, error) {
	conn, socket, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	r := &response{ctx: ctx, conn: conn, socket: socket, buf: make([]byte, chunkSize)}
	r.unhook = context.AfterFunc(ctx, func() { conn.Close() })
	if err := r.start(c.head(method, target, accept, payload), payload); err != nil {
		r.close()
		return nil, err
	}
	if err := c.accept(r); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// head returns the header of a request.
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

// version returns the Version of the caller in a form that is valid in a header.
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

// start sends the request and reads the header of the answer.
func (r *response) start(head, payload []byte) error {
	// The server may reject a request before it has read all of it. Its answer matters, not
	// the error from writing the rest.
	_, _ = r.conn.Write(append(head, payload...))
	end := -1
	for {
		if end = bytes.Index(r.buf[:r.to], []byte("\r\n\r\n")); end >= 0 {
			break
		}
		if r.to >= maxHead {
			return r.notIndexd()
		}
		n, err := r.conn.Read(r.buf[r.to:])
		r.to += n
		if err != nil {
			switch {
			case r.ctx.Err() != nil:
				return context.Cause(r.ctx)
			case r.to > 0:
				return r.notIndexd()
			}
			return cutOff("indexd at " + r.socket + " closed the connection without an answer; its log may say why")
		}
	}
	r.from = end + 4
	return r.parseHead(r.buf[:end])
}

// parseHead parses the status line and the relevant headers.
func (r *response) parseHead(head []byte) error {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("HTTP/1.")) || len(line) < len("HTTP/1.0 200") {
		return r.notIndexd()
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return r.notIndexd()
	}
	r.status = status
	protocol := ""
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch value := string(bytes.TrimSpace(value)); {
		case bytes.EqualFold(name, []byte(wire.HeaderProtocol)):
			protocol = value
		case bytes.EqualFold(name, []byte(wire.HeaderVersion)):
			r.version = value
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return r.notIndexd()
		}
	}
	switch protocol {
	case strconv.Itoa(wire.Protocol):
		return nil
	case "":
		return r.notIndexd()
	}
	return wire.ErrVersion.With("indexd %s at %s speaks protocol %s, this program %d: upgrade the older of the two (and restart it if it is the daemon)", r.version, r.socket, protocol, wire.Protocol)
}

func (r *response) notIndexd() error {
	return wire.ErrVersion.With("the program that answers at %s is not indexd", r.socket)
}

// accept returns the answer as an error if it is a problem.
func (c *Client) accept(r *response) error {
	if r.status >= 200 && r.status < 300 {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(r, maxProblem))
	if err != nil {
		return err
	}
	p := &wire.Problem{Status: r.status}
	if json.Unmarshal(body, p) != nil || p.Type == "" {
		return fmt.Errorf("indexd at %s answered with status %d without a reason", r.socket, r.status)
	}
	if errors.Is(p, wire.ErrVersion) {
		return wire.ErrVersion.With("%s (indexd is version %s, this program %s)", p.Error(), r.version, c.version())
	}
	return p
}

// Read implements io.Reader for the body.
func (r *response) Read(p []byte) (int, error) {
	if r.from < r.to {
		n := copy(p, r.buf[r.from:r.to])
		r.from += n
		return n, nil
	}
	return r.read(p)
}

// read reads from the socket.
func (r *response) read(p []byte) (n int, err error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err = r.conn.Read(p)
	switch {
	case err == nil || err == io.EOF:
	case r.ctx.Err() != nil:
		err = context.Cause(r.ctx)
	case errors.Is(err, syscall.ECONNRESET):
		err = io.EOF // the end marker decides whether the answer is complete
	}
	return n, err
}

// more appends more of the body to the unused part of the buffer. At the end of the body
// it returns ErrCutOff.
func (r *response) more() error {
	if r.from > 0 {
		r.to = copy(r.buf, r.buf[r.from:r.to])
		r.from = 0
	}
	if r.to == len(r.buf) {
		if r.to >= maxLine {
			return cutOff("indexd sent a line that is too long")
		}
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
	n, err := r.read(r.buf[r.to:])
	r.to += n
	if n > 0 {
		return nil
	}
	if err == io.EOF {
		return ErrCutOff
	}
	return err
}

// line returns the next line without its newline. It is valid until the next call.
func (r *response) line() ([]byte, error) {
	seen := 0
	for {
		if i := bytes.IndexByte(r.buf[r.from+seen:r.to], '\n'); i >= 0 {
			line := r.buf[r.from : r.from+seen+i]
			r.from += seen + i + 1
			return line, nil
		}
		seen = r.to - r.from
		if err := r.more(); err != nil {
			return nil, err
		}
	}
}

// object decodes the whole body, a line with one JSON object, into v.
func (r *response) object(v any) error {
	line, err := r.line()
	if err != nil {
		return err
	}
	return r.decode(line, v)
}

func (r *response) decode(line []byte, v any) error {
	if err := json.Unmarshal(line, v); err != nil {
		return r.notUnderstood(err)
	}
	return nil
}

func (r *response) notUnderstood(err error) error {
	return fmt.Errorf("cannot decode the answer of indexd %s at %s: %w", r.version, r.socket, err)
}

// close closes the connection, so that the daemon stops working for it.
func (r *response) close() {
	r.unhook()
	r.conn.Close()
}

// doJSON sends a request whose answer is one JSON object and decodes that into v.
func (c *Client) doJSON(ctx context.Context, method, target string, payload []byte, v any) error {
	r, err := c.do(ctx, method, target, wire.TypeJSON, payload)
	if err != nil {
		return err
	}
	defer r.close()
	return r.object(v)
}

// queryEscape escapes s, which may have any bytes, for the query of a URL.
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
