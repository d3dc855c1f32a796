package console

import (
	"os"

	"indexd/internal/terminal"
)

// Output is stdout with a large buffer. The first write error is kept and returned by every
// later call. Writing to a closed pipe ends the process with SIGPIPE; if that signal is
// ignored, the error is EPIPE, for which Console.End prints nothing.
type Output struct {
	Terminal bool

	file *os.File
	buf  []byte
	err  error
}

// outputSize is the size of a write: the capacity of a pipe.
const outputSize = 64 << 10

func newOutput(f *os.File) *Output {
	return &Output{file: f, Terminal: terminal.Is(f)}
}

// Write implements io.Writer. Large writes bypass the buffer.
func (o *Output) Write(b []byte) (int, error) {
	if len(o.buf)+len(b) > outputSize {
		o.Flush()
	}
	if len(b) >= outputSize/2 {
		if o.err == nil {
			_, o.err = o.file.Write(b)
		}
	} else {
		o.buf = append(o.buf, b...)
	}
	return len(b), o.err
}

// Buffer returns the buffer, so that a line can be appended to it in place. Pass the result
// to Append.
func (o *Output) Buffer() []byte {
	if o.buf == nil {
		o.buf = make([]byte, 0, outputSize)
	}
	return o.buf
}

// Append takes back the buffer with a line appended. On a terminal, the line is shown at
// once.
func (o *Output) Append(b []byte) error {
	o.buf = b
	if o.Terminal || len(b) >= outputSize-4<<10 {
		return o.Flush()
	}
	return o.err
}

// AppendText appends a path or a name, escaped if the output is a terminal.
func (o *Output) AppendText(b, text []byte) []byte {
	if o.Terminal {
		return terminal.AppendEscaped(b, text)
	}
	return append(b, text...)
}

// Flush writes the buffer.
func (o *Output) Flush() error {
	if len(o.buf) > 0 && o.err == nil {
		_, o.err = o.file.Write(o.buf)
	}
	o.buf = o.buf[:0]
	return o.err
}
