package indexer

import (
	"testing"
	"time"
)

// Commits of 30 KB, wanted a hundred times a second: the first are made at once,
// and in ten minutes it comes to no more than 6 MB a minute. After a rest the
// next is made at once again.
func TestAllowance(t *testing.T) {
	const commit = 30_000
	start := time.Unix(1e9, 0)
	var a allowance
	written, last, longest := 0, start, time.Duration(0)
	at := start
	for range 10 * 60 * 100 {
		at = at.Add(10 * time.Millisecond)
		if a.wait(at) > 0 {
			continue
		}
		a.spend(commit, at)
		written += commit
		longest = max(longest, at.Sub(last))
		last = at
		if written == 500*commit && at.Sub(start) > 6*time.Second {
			t.Errorf("five hundred changes took %s", at.Sub(start))
		}
	}
	if perMinute := written / 10; perMinute > 6e6 || perMinute < 4e6 {
		t.Errorf("%d bytes a minute were written", perMinute)
	}
	if longest > time.Second {
		t.Errorf("a change waited for %s", longest)
	}
	a.spend(1<<40, at)
	if w := a.wait(at); w <= 0 || w > allowWait {
		t.Errorf("after much was written it waits for %s", w)
	}
	if w := a.wait(at.Add(time.Minute)); w != 0 {
		t.Errorf("after a rest it waits for %s", w)
	}
}

// What nobody waits for is committed late by a writer in debt, but at once when
// somebody waits for whatever there is.
func TestWriterInDebt(t *testing.T) {
	var w writer
	w.allow.spend(1<<40, time.Now())
	for _, c := range []struct {
		when  urgency
		hurry int32
		due   bool
	}{{later, 0, false}, {soon, 0, false}, {now, 0, true}, {soon, 1, true}, {later, 1, false}} {
		w.hurry.Store(c.hurry)
		if got := w.due(c.when); got != c.due {
			t.Errorf("urgency %d with %d in a hurry: due is %v", c.when, c.hurry, got)
		}
	}
}
