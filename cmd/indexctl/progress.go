package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/terminal"
	"indexd/ipc/wire"
)

// progress shows the progress of a job or a check: a bar on a terminal, which is redrawn and
// finally erased, or a plain line from time to time. A nil progress shows nothing.
type progress struct {
	file  *os.File
	bar   bool
	shown bool      // the bar is on the screen
	last  time.Time // of the last output
	most  float64   // the bar never goes back, even when more work is found
	now   func() time.Time
}

// The minimum time between two outputs: of the bar, so that drawing costs little, and of
// plain lines, so that logs stay short.
const (
	barInterval  = 100 * time.Millisecond
	lineInterval = 2 * time.Second
)

func newProgress(f *os.File) *progress {
	return &progress{file: f, bar: terminal.Is(f), now: time.Now}
}

func (p *progress) show(s *wire.Progress) {
	if !p.due() {
		return
	}
	text := fmt.Sprintf("%s in %s, %s to go", counted(s.Entries, "file", "files"),
		counted(s.Dirs, "directory", "directories"), counted(s.Queued, "directory", "directories"))
	if s.Errors > 0 {
		text += ", " + counted(s.Errors, "error", "errors")
	}
	p.print(text, func() string { return p.line(s, text) })
}

// checked shows the progress of a check, whose end is not known.
func (p *progress) checked(r *wire.CheckResult) {
	if !p.due() {
		return
	}
	text := fmt.Sprintf("%s in %s compared, %s", counted(r.Entries, "file", "files"),
		counted(r.Dirs, "directory", "directories"), counted(r.Differences, "difference", "differences"))
	p.print(text, func() string { return text[:max(0, min(len(text), p.columns()-1))] })
}

// due reports whether it is time for the next output.
func (p *progress) due() bool {
	if p == nil {
		return false
	}
	interval := lineInterval
	if p.bar {
		interval = barInterval
	}
	now := p.now()
	if !p.last.IsZero() && now.Sub(p.last) < interval {
		return false
	}
	p.last = now
	return true
}

// print prints text as a line of its own or, on a terminal, the line that line returns.
func (p *progress) print(text string, line func() string) {
	if !p.bar {
		fmt.Fprintln(p.file, text)
		return
	}
	fmt.Fprintf(p.file, "\r%s\x1b[K", line())
	p.shown = true
}

// line returns the bar followed by the text, cut to one line of the terminal. The bar assumes
// that no more work will be found, so at first it moves too fast.
func (p *progress) line(s *wire.Progress, text string) string {
	if all := s.Dirs + s.Queued; all > 0 {
		p.most = max(p.most, float64(s.Dirs)/float64(all))
	}
	columns := p.columns()
	wide := min(30, columns-len(text)-4)
	if wide < 5 {
		return text[:max(0, min(len(text), columns-1))]
	}
	full := int(p.most * float64(wide))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", wide-full) + "] " + text
}

// columns returns the width of the terminal.
func (p *progress) columns() int {
	if ws, err := unix.IoctlGetWinsize(int(p.file.Fd()), unix.TIOCGWINSZ); err == nil && ws.Col > 0 {
		return int(ws.Col)
	}
	return 80
}

// clear erases the bar.
func (p *progress) clear() {
	if p != nil && p.shown {
		fmt.Fprint(p.file, "\r\x1b[K")
		p.shown = false
	}
}
