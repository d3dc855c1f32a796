package exec

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"indexd/internal/query"
	"indexd/internal/testutil/scale"
	"indexd/store"
)

// stuckSink is a page whose reader takes nothing: it is asked to be patient, and
// looks meanwhile whether the answer holds the database.
type stuckSink struct {
	page
	look func()
}

func (s *stuckSink) Full() bool                          { return true }
func (s *stuckSink) Flush(context.Context) (bool, error) { s.look(); return true, nil }
func (s *stuckSink) Drain(context.Context) error         { s.look(); return nil }

// A reader that takes nothing pins nothing: while it is waited for the database can
// be compacted, and the file that was in use before is closed.
func TestStuckReaderPinsNothing(t *testing.T) {
	scale.SkipIfShort(t)
	dir, err := os.MkdirTemp("/dev/shm", "pin-") // where to sync is quick
	if err != nil {
		dir = t.TempDir()
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "index.db")
	st := madeUp(t, path, 3000)
	defer st.Close()
	for _, by := range orders {
		looks := 0
		sink := &stuckSink{look: func() {
			if looks++; looks > 1 {
				return
			}
			if err := st.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(3 * time.Minute); replaced(t, path) > 0; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("order %q: the file of before is held", by)
				}
			}
		}}
		if _, err := New(st, Options{}).Find(t.Context(), &Query{Plan: compile(t, query.Request{}), Sort: by}, sink); err != nil {
			t.Errorf("order %q: %v", by, err)
		}
		if looks == 0 {
			t.Errorf("order %q: nobody had to wait", by)
		}
	}
	if err := st.View(func(*store.Snap) error { return nil }); err != nil {
		t.Error(err)
	}
}

// replaced counts the files that this process has open and that once were at path.
func replaced(t *testing.T, path string) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, fd := range fds {
		// One that is closed meanwhile leads nowhere.
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, path) && strings.HasSuffix(to, "(deleted)") {
			n++
		}
	}
	return n
}
