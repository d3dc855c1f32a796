package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"indexd/cmd/indexctl/internal/console"
	"indexd/ipc/wire"
)

// progress shows how far a job is: a bar on a terminal, that is drawn over and
// taken away; else now and then a plain line. A nil progress shows nothing.
type progress struct {
	file  *os.File
	bar   bool
	shown bool      // the bar is on the screen
	last  time.Time // when something was printed
	most  float64   // the bar does not go back when more is found
	now   func() time.Time
}

// The bar must not cost anything; a plain line stays in a log.
const (
	barInterval  = 100 * time.Millisecond
	lineInterval = 2 * time.Second
)

func newProgress(f *os.File) *progress {
	return &progress{file: f, bar: console.IsTerminal(f), now: time.Now}
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

// checked shows how far a check is, of which nobody knows where it ends.
func (p *progress) checked(r *wire.CheckResult) {
	if !p.due() {
		return
	}
	text := fmt.Sprintf("%s in %s compared, %s", counted(r.Entries, "file", "files"),
		counted(r.Dirs, "directory", "directories"), counted(r.Differences, "difference", "differences"))
	p.print(text, func() string { return text[:max(0, min(len(text), p.columns()-1))] })
}

// due reports whether something is to be shown now.
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

// print shows a text: as a line of its own, or on a terminal as line has it.
func (p *progress) print(text string, line func() string) {
	if !p.bar {
		fmt.Fprintln(p.file, text)
		return
	}
	fmt.Fprintf(p.file, "\r%s\x1b[K", line())
	p.shown = true
}

// line is the bar with the text behind it, in one line of the terminal. What is
// to go is what is known to be, so the bar is a guess that is low at first.
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

// columns is how wide the terminal is.
func (p *progress) columns() int {
	if ws, err := unix.IoctlGetWinsize(int(p.file.Fd()), unix.TIOCGWINSZ); err == nil && ws.Col > 0 {
		return int(ws.Col)
	}
	return 80
}

// clear takes the bar off the screen.
func (p *progress) clear() {
	if p != nil && p.shown {
		fmt.Fprint(p.file, "\r\x1b[K")
		p.shown = false
	}
}
