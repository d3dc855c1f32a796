package exec

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/query"
	"indexd/internal/query/plan"
	"indexd/internal/testutil/synth"
	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// benchStore opens a made-up index of INDEXD_BENCH_ENTRIES entries, 400,000 if
// not set. With INDEXD_BENCH_DB it is that file, made if it is not there and
// kept.
func benchStore(b *testing.B) *store.Store {
	n := 400_000
	if env := os.Getenv("INDEXD_BENCH_ENTRIES"); env != "" {
		var err error
		if n, err = strconv.Atoi(env); err != nil {
			b.Fatal(err)
		}
	}
	path := os.Getenv("INDEXD_BENCH_DB")
	if path == "" {
		return madeUp(b, filepath.Join(b.TempDir(), "index.db"), n)
	}
	if _, err := os.Stat(path); err != nil {
		return madeUp(b, path, n)
	}
	return opened(b, path)
}

func opened(tb testing.TB, path string) *store.Store {
	tb.Helper()
	st, err := store.Open(path, store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { st.Close() })
	return st
}

// madeUp makes a store of about n entries with one root, "/".
func madeUp(tb testing.TB, path string, n int) *store.Store {
	tb.Helper()
	st := opened(tb, path)
	v, err := synth.NewVolume(st, "/")
	if err != nil {
		tb.Fatal(err)
	}
	tx, err := st.Begin()
	if err != nil {
		tb.Fatal(err)
	}
	defer tx.Rollback()
	if err := errors.Join(tx.PutValue(store.Roots, record.MakeKey(v, ""), "/"), tx.Commit()); err != nil {
		tb.Fatal(err)
	}
	if _, err := (synth.Tree{Seed: 1, Entries: n}).Load(st, v, synth.Options{Bulk: true}); err != nil {
		tb.Fatal(err)
	}
	post(tb, st)
	return st
}

// post merges until no doc is fresh.
func post(tb testing.TB, st *store.Store) {
	tb.Helper()
	for {
		m, err := st.NextMerge(false, true)
		if err != nil {
			tb.Fatal(err)
		}
		if m == nil {
			return
		}
		err = m.Run(tb.Context(), func(s store.Step) error {
			tx, err := st.Begin()
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if err := s.Do(tx); err != nil {
				return err
			}
			return tx.Commit()
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// nowhere is a Sink that looks at what it is given and forgets it.
type nowhere struct {
	bytes int
}

func (n *nowhere) Row(dir []byte, e *listing.Entry, _ bool) error {
	n.bytes += len(dir) + 1 + len(e.Name)
	return nil
}
func (n *nowhere) Full() bool                          { return n.bytes > 64<<10 }
func (n *nowhere) Flush(context.Context) (bool, error) { n.bytes = 0; return false, nil }
func (n *nowhere) Drain(context.Context) error         { return nil }

func BenchmarkFind(b *testing.B) {
	st := benchStore(b)
	for _, c := range []struct {
		name string
		req  query.Request
		q    Query
	}{
		{"count-all", query.Request{}, Query{Count: true}},
		{"count-rare", query.Request{Terms: []string{"zqxjk"}}, Query{Count: true}},
		{"count-literal", query.Request{Terms: []string{"main"}}, Query{Count: true}},
		{"count-folded", query.Request{Terms: []string{"readme"}, Case: query.CaseIgnore}, Query{Count: true}},
		{"count-sensitive", query.Request{Terms: []string{"main"}, Case: query.CaseSensitive}, Query{Count: true}},
		{"count-ext", query.Request{Terms: []string{"ext:go"}}, Query{Count: true}},
		{"count-letter", query.Request{Terms: []string{"a"}}, Query{Count: true}},
		{"count-path-letter", query.Request{Terms: []string{"a"}, FullPath: true}, Query{Count: true}},
		{"count-path-go", query.Request{Terms: []string{".go"}, FullPath: true}, Query{Count: true}},
		{"count-path-regex", query.Request{Terms: []string{`\.go$`}, FullPath: true, Mode: query.ModeRegex}, Query{Count: true}},
		{"count-path", query.Request{Terms: []string{"a/b"}}, Query{Count: true}},
		{"count-regex", query.Request{Terms: []string{`\.go$`}, Mode: query.ModeRegex}, Query{Count: true}},
		{"count-regex-noliteral", query.Request{Terms: []string{`[0-9]+_[a-f]x`}, Mode: query.ModeRegex}, Query{Count: true}},
		{"count-dirs", query.Request{Filters: []string{"type:d"}}, Query{Count: true}},
		{"count-size", query.Request{Terms: []string{"size:>1G"}}, Query{Count: true}},
		{"count-mtime", query.Request{Terms: []string{"mtime:>2025-10-09"}}, Query{Count: true}},
		{"count-empty", query.Request{Filters: []string{"type:e"}}, Query{Count: true}},
		{"list-rare", query.Request{Terms: []string{"zqxjk"}}, Query{NamesOnly: true}},
		{"list-all", query.Request{}, Query{NamesOnly: true}},
		{"list-all-meta", query.Request{}, Query{}},
		{"list-10", query.Request{}, Query{Limit: 10}},
		{"path-all", query.Request{}, Query{Sort: query.SortPath, NamesOnly: true}},
		{"size-20", query.Request{}, Query{Sort: query.SortSize, Limit: 20}},
		{"size-20-reverse", query.Request{}, Query{Sort: query.SortSize, Limit: 20, Reverse: true}},
		{"mtime-20", query.Request{}, Query{Sort: query.SortMtime, Limit: 20}},
		{"name-20", query.Request{}, Query{Sort: query.SortName, Limit: 20}},
		{"size-all", query.Request{}, Query{Sort: query.SortSize}},
		{"name-all", query.Request{}, Query{Sort: query.SortName, NamesOnly: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.req.Count = c.q.Count
			if err := c.req.Resolve(&query.Env{}); err != nil {
				b.Fatal(err)
			}
			plan, err := plan.Compile(&c.req)
			if err != nil {
				b.Fatal(err)
			}
			c.q.Plan = plan
			r := New(st, Options{})
			var sum Summary
			cpu := cpuTime(b)
			for b.Loop() {
				if sum, err = r.Find(b.Context(), &c.q, &nowhere{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N)/1e6, "cpu-ms/op")
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(sum.Count), "matches")
			b.ReportMetric(float64(m.HeapSys-m.HeapReleased)/(1<<20), "heapMiB")
		})
	}
}

// cpuTime is what the process has used, all cores: unlike the time of the clock
// it is nearly the same on a machine that does other things too.
func cpuTime(tb testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFew has the same answers by going from one candidate to the next and
// by a scan for them, which is what tuning.few chooses by.
func BenchmarkFew(b *testing.B) {
	st := benchStore(b)
	for _, term := range []string{"zqxjk", "3f9c", "f00d5", "000_0", "kernel-arm64-http", "network-d", "IMG_20230012"} {
		for _, few := range []func(uint64) uint64{all, none} {
			r := New(st, Options{Procs: -1})
			r.tune.few, r.tune.many = few, all
			q := Query{Plan: compile(b, query.Request{Terms: []string{term}}), Count: true}
			var docs, records uint64
			seeds := q.Plan.IndexQueries()
			if err := st.View(func(sn *store.Snap) error {
				records = sn.Docs()
				found, err := sn.Candidates(&seeds[0].Need)
				docs = found.GetCardinality()
				return err
			}); err != nil {
				b.Fatal(err)
			}
			b.Run(term+map[bool]string{true: "/spans", false: "/scan"}[few(1) == 1], func(b *testing.B) {
				cpu := cpuTime(b)
				for b.Loop() {
					if _, err := r.Find(b.Context(), &q, nil); err != nil {
						b.Fatal(err)
					}
				}
				used := float64(cpuTime(b)-cpu) / float64(b.N)
				b.ReportMetric(used/1e6, "cpu-ms/op")
				b.ReportMetric(float64(docs), "docs")
				b.ReportMetric(used/float64(records), "ns/record")
				b.ReportMetric(used/float64(max(docs, 1)), "ns/doc")
			})
		}
	}
}
