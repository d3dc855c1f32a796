package walker

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"indexd/listing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testPool returns a pool over k (nil: the real kernel) that is closed at the end of the
// test, which fails if anything is left.
func testPool(t testing.TB, o Options, k kernel) *Pool {
	t.Helper()
	if k == nil {
		k = &linux{}
	}
	p := newPool(o, k)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.queued != 0 || len(p.jobs) != 0 || len(p.devices) != 0 || len(p.awaited) != 0 || p.replacedStuck != 0 {
			t.Errorf("left behind: %d queued, %d jobs, devices %v, %d awaited, %d missing", p.queued, len(p.jobs), p.devices, len(p.awaited), p.replacedStuck)
		}
		for pr, n := range p.ready {
			if n != 0 {
				t.Errorf("left behind: %d lanes of priority %d", n, pr)
			}
		}
	})
	return p
}

// submit is Pool.Submit for jobs that must be accepted.
func submit(t testing.TB, p *Pool, s Spec) *Job {
	t.Helper()
	j, err := p.Submit(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// descend is a Visit that descends into every directory.
func descend(r *Result) []string {
	if r.Err != nil {
		return nil
	}
	return subdirs(r.Listing)
}

// waitFor waits for j, which must succeed.
func waitFor(t testing.TB, j *Job) JobStats {
	t.Helper()
	s, err := j.Wait(context.Background())
	if err != nil {
		t.Fatalf("Wait: %v", err)
	}
	return s
}

func namesOf(l *listing.Listing) (names []string) {
	for i := range l.Entries {
		names = append(names, l.Entries[i].Name)
	}
	return names
}
