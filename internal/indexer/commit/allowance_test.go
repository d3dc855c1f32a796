package commit

import (
	"testing"
	"time"
)

// Changes come at a constant rate for ten minutes, with commits of 40 KB. At a hundred a second
// no more than 6 MB a minute are written; those that people make are all committed at once.
func TestAllowance(t *testing.T) {
	const commit = 40_000
	start := time.Unix(1e9, 0)
	for _, c := range []struct {
		perSecond int
		perMinute int           // bytes, at most
		first     int           // changes that are committed at once, at least
		longest   time.Duration // that one waits, at most
	}{
		{1, 3e6, 600, 0},
		{2, 5e6, 1200, 0},
		{13, 9e6, 1300, time.Second},
		{19, 9e6, 1300, time.Second},
		{25, 7e6, 400, time.Second},
		{100, 6e6, 400, time.Second},
		{1000, 6e6, 400, time.Second},
	} {
		var a allowance
		written, first, longest := 0, 0, time.Duration(0)
		var waits time.Time // since when one does
		for i := range 10 * 60 * c.perSecond {
			at := start.Add(time.Duration(i) * time.Second / time.Duration(c.perSecond))
			if waits.IsZero() {
				waits = at
			}
			a.change(1, at)
			if a.wait(true, at) > 0 {
				continue
			}
			a.spend(true, commit, at)
			written += commit
			if longest = max(longest, at.Sub(waits)); longest == 0 {
				first++
			}
			waits = time.Time{}
		}
		if written/10 > c.perMinute || first < c.first || longest > c.longest {
			t.Errorf("%d a second: %d bytes a minute, the first %d at once, one waited for %s", c.perSecond, written/10, first, longest)
		}
		end := start.Add(10 * time.Minute)
		a.spend(false, 1<<40, end)
		if w := a.wait(false, end); w <= 0 || w > allowWait {
			t.Errorf("after much was written it waits for %s", w)
		}
		if w := a.wait(true, end.Add(time.Minute)); w != 0 {
			t.Errorf("after a rest it waits for %s", w)
		}
	}
}

// Bursts of constant change do not use up the allowance for lone changes, and are forgotten in
// a second or two.
func TestAllowanceAfterARush(t *testing.T) {
	const commit = 40_000
	now := time.Unix(1e9, 0)
	var a allowance
	for range 10_000 {
		now = now.Add(10 * time.Millisecond)
		if a.change(1, now); a.wait(true, now) == 0 {
			a.spend(true, commit, now)
		}
	}
	for a.wait(true, now) == 0 {
		a.change(1, now)
		a.spend(true, commit, now)
	}
	now = now.Add(2 * time.Second)
	for i := range 500 {
		a.change(1, now)
		if a.wait(true, now) != 0 {
			t.Fatalf("lone change %d waits", i)
		}
		a.spend(true, commit, now)
		now = now.Add(time.Second / 10)
	}
}

// Constant change in batches, because the machine is slow, is still constant change.
func TestAllowanceOfBatches(t *testing.T) {
	now, written := time.Unix(1e9, 0), 0
	var a allowance
	for range 10 * 60 * 5 {
		now = now.Add(time.Second / 5)
		if a.change(20, now); a.wait(true, now) == 0 {
			a.spend(true, 40_000, now)
			written += 40_000
		}
	}
	if written/10 > 6e6 {
		t.Errorf("%d bytes a minute", written/10)
	}
}

// A writer in debt commits what nobody waits for late, but lone changes, and anything while
// somebody is in a hurry, at once.
func TestWriterInDebt(t *testing.T) {
	var w Writer
	w.allowance.spend(false, 1<<40, time.Now())
	for _, c := range []struct {
		when  Urgency
		hurry int32
		due   bool
	}{{Batched, 0, false}, {Steady, 0, false}, {Soon, 0, true}, {Now, 0, true}, {Steady, 1, true}, {Batched, 1, false}} {
		w.hurry.Store(c.hurry)
		if got := w.due(c.when); got != c.due {
			t.Errorf("urgency %d with %d in a hurry: due is %v", c.when, c.hurry, got)
		}
	}
}
