package plan

import (
	"strings"
	"testing"
	"time"

	"indexd/internal/query"
	"indexd/internal/testutil/race"
	"indexd/internal/testutil/scale"
	"indexd/listing"
)

// However expensive a pattern and however long a path, the matcher asks every few milliseconds
// whether to stop, and then stops.
func TestInterrupt(t *testing.T) {
	scale.SkipIfShort(t)
	if race.On {
		t.Skip("one goroutine, which would take a minute")
	}
	rep := strings.Repeat
	dir := rep("/"+rep("a", 250), 125) // 31 kB
	name := rep("a", 255)
	for _, c := range []struct {
		what string
		mode query.Mode
		fold bool
		term string
	}{
		{"optional", query.ModeRegex, false, "((a?){25}){20}[^a/]"},
		{"classes", query.ModeRegex, true, rep("[a-z]*", 400) + "[^a-z/]"},
		{"letters", query.ModeRegex, false, rep(`\pL*`, 100) + "[^a/]"},
		{"POSIX regex", query.ModeERE, false, `((a?){25}){20}[^a/]`},
		{"edges of words", query.ModeERE, false, `\<((a?){25}){20}[^a/]`},
		{"glob", query.ModeGlob, false, rep("**a", 900) + "[!a]"},
		{"named classes", query.ModeGlob, true, rep("**[[:punct:][:digit:][:alpha:]]", 80) + "[!a]"},
		{"locate", query.ModeLocate, false, "*" + rep("?", 1000) + "[!a/]*"},
		{"locate, folded", query.ModeLocate, true, "*" + "a?" + "*" + rep("?", 1000) + "[!aé/]*"},
		{"bytes", query.ModeFixed, true, rep("a", 250) + "\xff"},
		{"bytes and slashes", query.ModeFixed, true, rep(rep("a", 250)+"/", 100) + "\xff"},
		{"texts", "", false, rep("ba ab ", 9_000)},
	} {
		r := &query.Request{Terms: []string{c.term}, Mode: c.mode, FullPath: true, Case: query.CaseSensitive}
		if c.fold {
			r.Case = query.CaseIgnore
		}
		p, err := Compile(r)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		m := p.NewMatcher()
		row := &Row{Entry: &listing.Entry{Name: name}}
		judge := func() bool { return m.Enter(dir, 126) != query.False && m.Match(row) }

		var longest, last time.Duration
		asked := 0
		m.Interrupt(func() bool {
			now := cpuTime(t)
			longest, last = max(longest, now-last), now
			asked++
			return false
		})
		start := cpuTime(t)
		last = start
		judge()
		end := cpuTime(t)
		longest = max(longest, end-last)
		t.Logf("%-18s %8.1f ms, asked %5d times, longest between %5.1f ms", c.what, float64(end-start)/1e6, asked, float64(longest)/1e6)
		if asked < 20 { // more than a million steps, in units of 100,000
			t.Errorf("%s: asked only %d times", c.what, asked)
		}

		// It stops the first time it is told to, and continues otherwise.
		times := 0
		m.Interrupt(func() bool { times++; return true })
		got := judge()
		if times != 1 || got {
			t.Errorf("%s: asked %d times and said %v though it was stopped", c.what, times, got)
		}
		if m.Match(row) || m.Name("b", listing.Regular) != query.False {
			t.Errorf("%s: something matches after it was stopped", c.what)
		}
	}
}

// After the next Interrupt, a matcher that was stopped works again.
func TestInterruptEnds(t *testing.T) {
	p, err := Compile(&query.Request{Terms: []string{"NOT re:((a?){25}){20}[^a]"}})
	if err != nil {
		t.Fatal(err)
	}
	m := p.NewMatcher()
	m.Interrupt(func() bool { return true })
	m.Enter("/", 1)
	row := &Row{Entry: &listing.Entry{Name: strings.Repeat("a", 255)}}
	if m.Match(row) {
		t.Error("it matches though it was stopped")
	}
	m.Interrupt(nil)
	m.Enter("/", 1)
	if !m.Match(row) {
		t.Error("it does not match any more")
	}
}
