package indexer

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"indexd/internal/indexer/commit"
	"indexd/store"
)

// health returns the check of a part.
func (r *rig) health(name string) HealthCheck {
	r.t.Helper()
	all := r.HealthChecks()
	i := slices.IndexFunc(all, func(v HealthCheck) bool { return v.Name == name })
	if i < 0 {
		r.t.Fatalf("no part %q among %v", name, all)
	}
	return all[i]
}

// hangs reports whether a part neither answers nor makes progress for a moment.
func (v *HealthCheck) hangs(t *testing.T) bool {
	t.Helper()
	before := v.Worked()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := v.Ask(ctx)
	return errors.Is(err, context.DeadlineExceeded) && v.Worked() == before
}

// answers fails the test unless a part answers, however long that takes.
func (v *HealthCheck) answers(t *testing.T) {
	t.Helper()
	if err := v.Ask(deadline(t)); err != nil {
		t.Errorf("%s: %v", v.Name, err)
	}
}

// The check of a part that is blocked fails, and the other parts answer, except that any part
// may wait for the writer.
func TestHealthChecks(t *testing.T) {
	l := runLive(t, "", "", nil)
	l.idle()
	for _, c := range []struct {
		name string
		hold func(held chan<- struct{}, free <-chan struct{})
	}{
		{"writer", func(held chan<- struct{}, free <-chan struct{}) {
			it := commit.Item{When: commit.Now, Do: func(*store.Tx) error { held <- struct{}{}; <-free; return nil }}
			if err := l.writer.Put(t.Context(), it); err != nil {
				t.Error(err)
			}
		}},
		{"indexer", func(held chan<- struct{}, free <-chan struct{}) {
			l.deferCall(func() { held <- struct{}{}; <-free })
		}},
		{"changes", func(held chan<- struct{}, free <-chan struct{}) {
			if err := l.live.room.Acquire(t.Context(), liveTasks); err != nil {
				t.Error(err)
			}
			go func() {
				<-free
				l.live.room.Release(liveTasks)
			}()
			l.touch("for-changes")
			waitFor(t, l.live.waiting.Load)
			held <- struct{}{}
		}},
		{"events", func(held chan<- struct{}, free <-chan struct{}) {
			l.held.Store(func() {
				select {
				case held <- struct{}{}:
				case <-free:
				}
				<-free
			})
			l.touch("for-events")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, v := range l.HealthChecks() {
				v.answers(t)
			}
			held, free := make(chan struct{}, 1), make(chan struct{})
			c.hold(held, free)
			<-held
			v := l.health(c.name)
			if !v.hangs(t) {
				t.Errorf("%s is held up, but seems alive", c.name)
			}
			for _, other := range l.HealthChecks() {
				if other.Name != c.name && c.name != "writer" {
					other.answers(t)
				}
			}
			close(free)
			v.answers(t)
			l.held.Store(func() {})
			l.idle()
		})
	}
	l.compare()
}

// touch makes a file below the root.
func (l *liveRig) touch(name string) {
	if err := os.WriteFile(filepath.Join(l.root, name), nil, 0o600); err != nil {
		l.t.Error(err)
	}
}

// While the writer retries, parts that wait for it do not seem to hang.
func TestHealthChecksOfFullDisk(t *testing.T) {
	disk := &badDisk{r: rand.New(rand.NewPCG(0, 0)), one: 1}
	openOptions.Faults = disk
	defer func() { openOptions.Faults = nil }()
	l := runLive(t, "", "", nil)
	l.idle()
	l.compare()
	disk.set(syscall.ENOSPC, 1)
	l.touch("one more")
	waitFor(t, func() bool { return l.writer.Failure() != "" })
	for _, name := range []string{"indexer", "changes"} {
		v := l.health(name)
		before := v.Worked()
		waitFor(t, func() bool { return v.Worked() != before }) // with a retry
	}
	disk.set(0, 1)
	l.compare()
}

// A part that has ended does not seem to hang.
func TestHealthChecksAfterRun(t *testing.T) {
	l := runLive(t, "", "", nil)
	list := l.HealthChecks()
	l.rig.stop()
	for _, v := range list {
		if err := v.Ask(deadline(t)); err == nil || strings.Contains(err.Error(), "deadline") {
			t.Errorf("%s: %v", v.Name, err)
		}
	}
}
