package exec

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"indexd/internal/access"
	"indexd/internal/query"
	"indexd/internal/testutil/scale"
	"indexd/listing"
	"indexd/store/record"
)

// watched is a Sink that looks at the memory in use while rows come.
type watched struct {
	nowhere
	run  *Runner
	n    int
	most uint64 // bytes of heap
	used int64  // bytes of sort memory
}

func (s *watched) Row(dir []byte, e *listing.Entry, noMeta bool) error {
	if s.n++; s.n%10_000 == 1 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		s.most = max(s.most, m.HeapAlloc)
		s.run.memory.mu.Lock()
		s.used = max(s.used, s.run.memory.used)
		s.run.memory.mu.Unlock()
	}
	return s.nowhere.Row(dir, e, noMeta)
}

// TestSortsInBoundedMemory sorts what would not fit, and shows that it is all
// there, in order, and the heap small.
func TestSortsInBoundedMemory(t *testing.T) {
	scale.SkipIfShort(t)
	st := madeUp(t, filepath.Join(t.TempDir(), "index.db"), 60_000)
	const memory = 2 << 20
	run := New(st, Options{SortMemory: memory})
	all, err := run.Find(t.Context(), &Query{Plan: compile(t, query.Request{}), Count: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, q := range []Query{
		{Sort: query.SortSize},
		{Sort: query.SortName, Reverse: true},
		{Sort: query.SortPath},
		{Sort: query.SortMtime, Limit: int(all.Count) - 1},
	} {
		q.Plan = compile(t, query.Request{})
		sink := &watched{run: run}
		sum, err := run.Find(t.Context(), &q, sink)
		if err != nil {
			t.Fatal(err)
		}
		want := all.Count
		if q.Limit > 0 {
			want = int64(q.Limit)
		}
		if sum.Rows != want {
			t.Errorf("order %q: %d rows of %d", q.Sort, sum.Rows, want)
		}
		// Beside the shared memory: what each worker has of its own.
		if own := uint64(run.opt.Procs+1) * 3 << 20; sink.most > before.HeapAlloc+memory+own || sink.used > memory {
			t.Errorf("order %q: %d KiB of heap, %d before, %d of sort memory", q.Sort, sink.most>>10, before.HeapAlloc>>10, sink.used>>10)
		}
		run.idle(t)
	}

}

// TestCancel shows that an answer ends soon after its context, whatever it is
// at, with the context's cause.
func TestCancel(t *testing.T) {
	st := madeUp(t, filepath.Join(t.TempDir(), "index.db"), 60_000)
	cause := errors.New("the client has gone")
	slow := query.Request{Terms: []string{"(x?[a-z]?[b-y]?){20}[^a-z]{2}[0-9]"}, Mode: query.ModeRegex}
	// Few records have the text, and they are gone to one by one.
	slowFew := query.Request{Terms: []string{"f00.*(x?[a-z]?[b-y]?){20}[^a-z]{2}[0-9]"}, Mode: query.ModeRegex}
	for _, c := range []struct {
		name string
		req  query.Request
		q    Query
	}{
		{"count few", slowFew, Query{Count: true}},
		{"list few by path", slowFew, Query{Sort: query.SortPath}},
		{"count", slow, Query{Count: true}},
		{"list", slow, Query{}},
		{"list by path", slow, Query{Sort: query.SortPath}},
		{"sort", slow, Query{Sort: query.SortSize}},
		{"first few", slow, Query{Sort: query.SortSize, Limit: 5}},
		{"list all", query.Request{}, Query{}},
		{"sort all", query.Request{}, Query{Sort: query.SortName}},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := New(st, Options{SortMemory: 1})
			ctx, cancel := context.WithCancelCause(t.Context())
			var dirs atomic.Int64
			var at time.Duration
			c.q.Plan = compile(t, c.req)
			after := int64(300)
			if len(c.q.Plan.IndexQueries()) > 0 {
				after = 3
				if form := run.form(t, &c.q); form != "spans" {
					t.Fatalf("candidates are %s", form)
				}
			}
			c.q.Viewer = viewer(func(string, record.Key, *record.Origin) access.Visibility {
				if dirs.Add(1) == after {
					at = cpuTime(t)
					cancel(cause)
				}
				return access.Full
			})
			_, err := run.Find(ctx, &c.q, &nowhere{})
			if took := cpuTime(t) - at; err != cause {
				t.Errorf("%v", err)
			} else if t.Logf("%v", took); took > 500*time.Millisecond {
				// 10 ms is what is promised, of each worker; under -race it is more.
				t.Errorf("it took %v of processor time", took)
			}
			run.idle(t)
		})
	}
}
