package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// output is stdout behind a large buffer. A write error stays: it is returned
// by every later call, so that it need be looked at only now and then. A pipe
// that was closed ends the process with SIGPIPE as it does any other, or, where
// that signal is ignored, gives EPIPE, which report keeps silent about.
type output struct {
	file     *os.File
	terminal bool
	buf      []byte
	err      error
}

// outputSize is how much is written at a time: as much as a pipe holds.
const outputSize = 64 << 10

func newOutput(f *os.File) *output {
	return &output{file: f, terminal: isTerminal(f)}
}

// isTerminal asks the kernel, as a character device may be /dev/null.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// Write takes large writes straight through.
func (o *output) Write(b []byte) (int, error) {
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

// Buffer is the space that Append takes back: for building a line in place.
func (o *output) Buffer() []byte {
	if o.buf == nil {
		o.buf = make([]byte, 0, outputSize)
	}
	return o.buf
}

// Append takes what Buffer gave with a line appended. On a terminal, where
// somebody waits for it, it is shown at once.
func (o *output) Append(b []byte) error {
	o.buf = b
	if o.terminal || len(b) >= outputSize-4<<10 {
		return o.Flush()
	}
	return o.err
}

// appendText appends a path or a name: as it is to a pipe or a file, escaped on
// a terminal.
func (o *output) appendText(b, text []byte) []byte {
	if o.terminal {
		return appendEscaped(b, text)
	}
	return append(b, text...)
}

// Flush writes what is held back.
func (o *output) Flush() error {
	if len(o.buf) > 0 && o.err == nil {
		_, o.err = o.file.Write(o.buf)
	}
	o.buf = o.buf[:0]
	return o.err
}
