package synth_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"indexd/internal/testutil/scale"
	"indexd/internal/testutil/synth"
	"indexd/listing"
	"indexd/store"
	"indexd/store/postings/trigram"
	"indexd/store/record"
)

// maxFresh is how many docs may be fresh under constant change: those that gather
// until a merge is due, and what comes while the longest one goes on.
const maxFresh = 2000

// steady is a store in which names come at a steady pace, in transactions of half
// a second of a clock of its own, which merges ride in.
type steady struct {
	t      *testing.T
	s      *store.Store
	r      *rand.Rand
	tx     *store.Tx
	dirs   []record.Key
	spread int // directories that the names of one transaction are in
	made   []string

	ticks, merges, most int
}

const (
	namesPerTick = 50
	ticksPerSec  = 2
	stepsPerTick = 16
)

func newSteady(t *testing.T, entries, spread int, seed uint64) *steady {
	s := open(t)
	v, err := synth.NewVolume(s, "/synth")
	if err != nil {
		t.Fatal(err)
	}
	tree := synth.Tree{Seed: 1, Entries: entries}
	if _, err := tree.Load(s, v, synth.Options{Bulk: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := synth.Merge(s, true, nil); err != nil {
		t.Fatal(err)
	}
	m := &steady{t: t, s: s, r: rand.New(rand.NewPCG(seed, 0)), spread: spread}
	for rel := range tree.Listings() {
		m.dirs = append(m.dirs, record.MakeKey(v, rel))
	}
	m.begin()
	return m
}

func (m *steady) begin() {
	var err error
	if m.tx, err = m.s.Begin(); err != nil {
		m.t.Fatal(err)
	}
}

// tick is half a second.
func (m *steady) tick() error {
	stamp := m.s.LastStamp() + 1
	var in []record.Key
	for range m.spread {
		in = append(in, m.dirs[m.r.IntN(len(m.dirs))])
	}
	for i := range namesPerTick {
		name := fmt.Sprintf("new-%06x.tmp", m.r.IntN(1<<24))
		e := listing.Entry{Name: name, Stat: listing.Stat{Ino: 9, Mode: 0o100644, Nlink: 1}}
		if _, err := m.tx.ApplyName(in[i%len(in)], stamp, name, &e, true); err != nil {
			return err
		}
		m.made = append(m.made, name)
	}
	if err := m.tx.Commit(); err != nil {
		return err
	}
	m.ticks++
	m.most = max(m.most, int(m.s.FreshCount()))
	m.begin()
	return nil
}

// run goes on for so long, with merges as the indexer does them.
func (m *steady) run(d time.Duration, merge bool) {
	end := m.ticks + int(d.Seconds()*ticksPerSec)
	idle := m.ticks
	for m.ticks < end {
		if err := m.tick(); err != nil {
			m.t.Fatal(err)
		}
		for merge && m.ticks < end {
			late := m.ticks-idle >= 10*ticksPerSec
			if late {
				idle = m.ticks
			}
			next, err := m.s.NextMerge(false, late)
			if err != nil {
				m.t.Fatal(err)
			}
			if next == nil {
				break
			}
			steps := 0
			err = next.Run(context.Background(), func(step store.Step) error {
				if err := step.Do(m.tx); err != nil {
					return err
				}
				if steps++; step.Wait || steps%stepsPerTick == 0 {
					return m.tick()
				}
				return nil
			})
			if err != nil {
				m.t.Fatal(err)
			}
			m.merges++
		}
	}
}

// end checks that names that came are found.
func (m *steady) end() {
	if err := m.tx.Commit(); err != nil {
		m.t.Fatal(err)
	}
	err := m.s.View(func(sn *store.Snap) error {
		for range 100 {
			name := m.made[m.r.IntN(len(m.made))]
			docs, err := sn.Candidates(&trigram.Need{All: trigram.Of(name)})
			if err != nil {
				return err
			}
			keys, err := sn.Keys(docs)
			if err != nil {
				return err
			}
			found := false
			for _, key := range keys {
				c := sn.Cursor(key, append(key[:len(key):len(key)], 0))
				for c.Next() {
					if err := c.Record().Load(); err != nil {
						return err
					}
					if _, ok := c.Record().Find(name); ok {
						found = true
					}
				}
			}
			if !found {
				m.t.Errorf("%q is not found", name)
			}
		}
		return nil
	})
	if err != nil {
		m.t.Error(err)
	}
}

// TestSteady: 100 new names a second for a while.
func TestSteady(t *testing.T) {
	scale.SkipIfShort(t)
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	m := newSteady(t, 20_000, namesPerTick, seed)
	m.run(40*time.Second, true)
	m.end()
	if m.merges < 5 || m.most > maxFresh {
		t.Errorf("%d merges, at most %d docs were fresh", m.merges, m.most)
	}
}

// TestSteadyTenMinutes reports what ten minutes of that write, in a store of as
// many entries as INDEXD_STEADY says, with the names of half a second in one
// directory, in five, in as many as there are names, and without merges.
func TestSteadyTenMinutes(t *testing.T) {
	var n int
	if _, err := fmt.Sscan(os.Getenv("INDEXD_STEADY"), &n); err != nil {
		t.Skip("a measurement: set INDEXD_STEADY to a number of entries")
	}
	const minutes = 10
	for _, c := range []struct {
		spread int
		merge  bool
	}{{1, true}, {1, false}, {5, true}, {5, false}, {namesPerTick, true}, {namesPerTick, false}} {
		m := newSteady(t, n, c.spread, 1)
		before := written(t)
		m.run(minutes*time.Minute, c.merge)
		bytes := written(t) - before
		m.end()
		t.Logf("names in %d directories a transaction, merged %v: %.1f MB a minute, %d merges, at most %d docs fresh",
			c.spread, c.merge, float64(bytes)/minutes/1e6, m.merges, m.most)
		if c.merge && m.most > maxFresh {
			t.Errorf("%d docs were fresh", m.most)
		}
	}
}

// written is how many bytes this process has written to files.
func written(t *testing.T) (n int64) {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "wchar:"); ok {
			fmt.Sscan(rest, &n)
		}
	}
	return n
}
