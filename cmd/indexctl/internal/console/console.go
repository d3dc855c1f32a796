// Package console holds what all subcommands of indexctl share: the output, the warnings and
// errors on stderr, the exit status, and the flags that every subcommand accepts.
package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"indexd/internal/getopt"
	"indexd/internal/terminal"
	"indexd/internal/version"
	"indexd/ipc"
	"indexd/ipc/wire"
)

// Console is one run of indexctl.
type Console struct {
	Out    *Output
	Stderr *os.File
	Status Status // of a command that returned no error

	Socket                string // "": the default ones
	ShowVersion, ShowHelp bool   // given as flags
}

// New returns a Console that prints to the standard files.
func New() *Console { return &Console{Out: newOutput(os.Stdout), Stderr: os.Stderr} }

// Flags returns the flags that every command accepts.
func (c *Console) Flags() []*getopt.Flag {
	return []*getopt.Flag{
		{Name: "socket", Value: "PATH", Files: getopt.AnyFile, Set: getopt.Text(&c.Socket),
			Usage: "where indexd listens (default: $INDEXD_SOCKET, else the user's socket, else the system's)"},
		{Name: "version", Usage: "print the version", Set: getopt.On(&c.ShowVersion)},
		{Name: "help", Aliases: []string{"h"}, Usage: "show help", Set: getopt.On(&c.ShowHelp)},
	}
}

// PrintVersion prints the program's name and version.
func (c *Console) PrintVersion() {
	fmt.Fprintln(c.Out, "indexctl", version.Version)
}

// Client returns a client for the socket that was asked for.
func (c *Console) Client() *ipc.Client {
	client := &ipc.Client{Version: version.Version}
	if c.Socket != "" {
		client.Sockets = []string{c.Socket}
	}
	return client
}

// Say prints a line on stderr. It escapes control characters, so that the text stays one
// line and no file name can manipulate the terminal.
func (c *Console) Say(format string, args ...any) {
	line := terminal.AppendEscaped(nil, fmt.Appendf(nil, format, args...))
	_, _ = c.Stderr.Write(append(append([]byte("indexctl: "), line...), '\n'))
}

// PrintJSON prints v as one line.
func (c *Console) PrintJSON(v any) {
	enc := json.NewEncoder(c.Out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil && c.Out.err == nil {
		panic(err) // every wire type has a JSON form
	}
}

// Paths returns a function that prints NUL-terminated paths as they come from the daemon,
// many in one write. write appends a path in the form to be shown; if it is nil, paths are
// printed raw, which only replaces their terminators.
func (c *Console) Paths(write func(b, path []byte) []byte, null bool) func([]byte) error {
	end := Terminator(null)
	if write != nil {
		return func(paths []byte) error {
			b := c.Out.Buffer()
			for path := range ipc.Split(paths) {
				b = append(write(b, path), end)
			}
			c.Out.buf = b
			return c.Out.Flush()
		}
	}
	return func(paths []byte) error {
		for at := 0; !null; at++ {
			i := bytes.IndexByte(paths[at:], 0)
			if i < 0 {
				break
			}
			at += i
			paths[at] = end
		}
		_, _ = c.Out.Write(paths)
		return c.Out.Flush()
	}
}

// Terminator returns the byte after each path: NUL or a newline.
func Terminator(null bool) byte {
	if null {
		return 0
	}
	return '\n'
}

// WarnStale prints one line of warning if the answer may be incomplete or out of date, or if
// there are other reasons for a warning.
func (c *Console) WarnStale(t *wire.Trailer, reasons ...string) {
	if t.Complete && len(reasons) == 0 {
		return
	}
	if len(t.Stale) > 0 {
		s := fmt.Sprintf("%s: %s", t.Stale[0].Path, t.Stale[0].Reason)
		if more := len(t.Stale) - 1 + t.StaleMore; more > 0 {
			s += fmt.Sprintf(" (and %d more)", more)
		}
		reasons = append(reasons, s)
	}
	if t.Changed > 0 {
		reasons = append(reasons, fmt.Sprintf("%d entries changed while the answer was being sorted", t.Changed))
	}
	if len(reasons) == 0 {
		reasons = append(reasons, "a part of the index is not up to date")
	}
	c.Say("warning: %s", strings.Join(reasons, "; "))
}
