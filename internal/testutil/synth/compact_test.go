package synth_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"indexd/internal/testutil/scale"
	"indexd/internal/testutil/synth"
	"indexd/store"
	"indexd/store/record"
)

// changed is a store with a tree that has changed for some rounds.
func changed(t *testing.T, rounds int) (*store.Store, record.Volume) {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "db"), store.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	v, err := synth.NewVolume(s, "/")
	must(t, err)
	for round := range rounds {
		load(t, s, v, round)
	}
	return s, v
}

func load(t *testing.T, s *store.Store, v record.Volume, round int) {
	t.Helper()
	_, err := synth.Tree{Seed: 7, Entries: 20000, Round: round}.Load(s, v, synth.Options{Bulk: round == 0})
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// names are all there is, a directory a line.
func names(sn *store.Snap) string {
	var b bytes.Buffer
	c := sn.Cursor(nil, nil)
	for c.Next() {
		b.WriteString(c.Dir().String())
		if c.Record().Load() == nil {
			b.WriteByte(':')
			b.Write(c.Record().Names())
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func contents(t *testing.T, s *store.Store) (all string) {
	t.Helper()
	must(t, s.View(func(sn *store.Snap) error { all = names(sn); return nil }))
	return all
}

func checked(t *testing.T, s *store.Store) {
	t.Helper()
	must(t, s.Check(t.Context(), func(p store.Problem) { t.Errorf("check: %v", p) }))
}

// A store that is compacted while it changes ends as one that is not.
func TestCompactWhileItChanges(t *testing.T) {
	scale.SkipIfShort(t)
	const rounds = 6
	plain, _ := changed(t, rounds)
	s, v := changed(t, 2)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if err := s.Compact(context.Background()); err != nil {
				t.Errorf("compact: %v", err)
			}
		}
		ended <- n
	}()
	for round := 2; round < rounds; round++ {
		load(t, s, v, round)
		_, err := synth.Merge(s, true, nil)
		must(t, err)
	}
	stop()
	if n := <-ended; n == 0 {
		t.Error("it was not compacted at all")
	}
	if d := cmp.Diff(contents(t, plain), contents(t, s)); d != "" {
		t.Errorf("not compacted (-) and compacted (+) differ:\n%.2000s", d)
	}
	checked(t, s)
}

func TestCompactGivesBack(t *testing.T) {
	scale.SkipIfShort(t)
	s, v := changed(t, 1)
	_, fresh, err := s.Slack()
	must(t, err)
	for round := 1; round < 16; round++ {
		load(t, s, v, round)
	}
	slack, before, err := s.Slack()
	must(t, err)
	if slack < before/4 {
		t.Errorf("after many changes %d of %d bytes are slack", slack, before)
	}
	must(t, s.Compact(t.Context()))
	slack, after, err := s.Slack()
	must(t, err)
	fi, err := os.Stat(s.Path())
	must(t, err)
	if fi.Size() > before || after > fresh*3/2 || slack > after/4 {
		t.Errorf("%d bytes when fresh, %d before, %d after in a file of %d, of which %d are slack", fresh, before, after, fi.Size(), slack)
	}
	checked(t, s)
}

// A snapshot goes on showing what it did, and holds nobody up.
func TestCompactUnderASnapshot(t *testing.T) {
	s, v := changed(t, 1)
	must(t, s.View(func(sn *store.Snap) error {
		was := names(sn)
		done := make(chan error)
		go func() {
			done <- errors.Join(s.Compact(context.Background()), s.View(func(sn *store.Snap) error {
				if names(sn) != was {
					return errors.New("the new file has other names")
				}
				return nil
			}))
		}()
		if err := <-done; err != nil {
			return err
		}
		if names(sn) != was {
			return errors.New("the snapshot has changed")
		}
		return nil
	}))
	load(t, s, v, 1)
	checked(t, s)
}

func TestCompactCancelled(t *testing.T) {
	s, v := changed(t, 2)
	was := contents(t, s)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("no more")
	cancel(stop)
	if err := s.Compact(ctx); !errors.Is(err, stop) {
		t.Errorf("a cancelled one ended with %v", err)
	}
	if _, err := os.Stat(s.Path() + ".compact"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it left its copy: %v", err)
	}
	if contents(t, s) != was {
		t.Error("it changed something")
	}
	load(t, s, v, 2)
	must(t, s.Compact(t.Context()))
	checked(t, s)
}

// What a killed one left is removed, and is no database.
func TestCompactKilled(t *testing.T) {
	s, _ := changed(t, 1)
	was := contents(t, s)
	must(t, s.Close())
	must(t, os.WriteFile(s.Path()+".compact", []byte("half"), 0o600))
	again, err := store.Open(s.Path(), store.Options{})
	must(t, err)
	defer again.Close()
	if _, err := os.Stat(s.Path() + ".compact"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the copy is still there: %v", err)
	}
	if contents(t, again) != was {
		t.Error("something is missing")
	}
}

// Who waits for the lock meanwhile gets the new file, not the one that has no
// name any more.
func TestCompactWhileAnotherWaits(t *testing.T) {
	s, v := changed(t, 1)
	type opened struct {
		s   *store.Store
		err error
	}
	second := make(chan opened)
	go func() {
		s, err := store.Open(s.Path(), store.Options{Timeout: time.Minute})
		second <- opened{s, err}
	}()
	for range 3 {
		must(t, s.Compact(t.Context()))
	}
	load(t, s, v, 1)
	was := contents(t, s)
	must(t, s.Close())
	o := <-second
	must(t, o.err)
	defer o.s.Close()
	if contents(t, o.s) != was {
		t.Error("the second one has the old file")
	}
}
