package indexer

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"indexd/internal/indexer/jobs"
	"indexd/internal/mounts"
	"indexd/internal/rules"
	"indexd/listing"
	"indexd/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an Indexer of a test, with its database.
type rig struct {
	*Indexer
	t    *testing.T
	db   string
	st   *store.Store
	stop func() // ends Run and closes the store; once

	forged bool // the test wrote to the database itself: it is not checked
}

// openOptions are used for the databases that run opens.
var openOptions store.Options

// run starts an Indexer on the database at db ("" for a new one). The store is checked when
// it has ended.
func run(t *testing.T, db string, cfg Config) *rig {
	t.Helper()
	if db == "" {
		db = filepath.Join(t.TempDir(), "index.db")
	}
	st, err := store.Open(db, openOptions)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Rules == nil {
		cfg.Rules = ruleSet(t, rules.Config{})
	}
	if cfg.Mounts == nil {
		cfg.Mounts = mounts.Read
	}
	x, err := New(st, cfg)
	if err != nil {
		t.Fatal(err)
	}
	x.pace.pressure = func(string) float64 { return 0 } // of a machine that runs tests there is always some
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx) }()
	r := &rig{Indexer: x, t: t, db: db, st: st}
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if !r.forged {
			if err := st.Check(context.Background(), func(p store.Problem) { t.Errorf("check: %s: %s", p.Where, p.What) }); err != nil {
				t.Errorf("check: %v", err)
			}
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(r.stop)
	select {
	case <-x.Begun():
	case err := <-ended:
		t.Fatalf("Run: %v", err)
	}
	return r
}

func ruleSet(t *testing.T, c rules.Config) *rules.Set {
	t.Helper()
	s, err := rules.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// whenLogged returns a logger that calls f before a message is logged.
func whenLogged(message string, f func()) *slog.Logger { return slog.New(logHook{message, f}) }

type logHook struct {
	message string
	f       func()
}

func (h logHook) Enabled(context.Context, slog.Level) bool { return true }
func (h logHook) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h logHook) WithGroup(string) slog.Handler            { return h }
func (h logHook) Handle(_ context.Context, r slog.Record) error {
	if r.Message == h.message {
		h.f()
	}
	return nil
}

// generous is how long a condition may take to come true on a busy machine.
const generous = 3 * time.Minute

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	t.Cleanup(cancel)
	return ctx
}

func (r *rig) idle() {
	r.t.Helper()
	if err := r.WaitIdle(deadline(r.t)); err != nil {
		r.t.Fatalf("waiting for nothing to be pending: %v; %s", err, r.state())
	}
}

// state describes what WaitIdle waits for.
func (r *rig) state() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d under way, %d pending, of them %d that cannot be listed, %d dead, distrusted: %v",
		r.active.value(), r.st.PendingCount(), r.unlistable.Load(), r.st.TombstoneCount(), r.VerifyPending())
	for _, root := range r.allRoots() {
		fmt.Fprintf(&b, "; %s complete: %v, doing %q", root.path, root.record().Complete, root.doing())
	}
	must(r.t, r.st.View(func(sn *store.Snap) error {
		for key, p := range sn.Pending(nil, nil) {
			fmt.Fprintf(&b, "; %s: %+v", key, p)
		}
		return nil
	}))
	return b.String()
}

// Rescan calls Indexer.Rescan as the user of the test.
func (r *rig) Rescan(ctx context.Context, paths []string, follow bool) (jobs.Info, error) {
	return r.Indexer.Rescan(ctx, Asker{UID: ownUID()}, paths, follow)
}

// rescan lists paths again and returns how the job ended.
func (r *rig) rescan(paths ...string) jobs.Info {
	r.t.Helper()
	j, err := r.Rescan(deadline(r.t), paths, true)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.end(j.ID)
}

func (r *rig) end(id uint64) (end jobs.Info) {
	r.t.Helper()
	if err := r.Jobs().Follow(deadline(r.t), id, func(e jobs.Event) error {
		if e.End != nil {
			end = *e.End
		}
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
	return end
}

// each calls visit with the index's entries below root. They are valid during the call.
func (r *rig) each(root string, visit func(dir string, e *listing.Entry)) {
	r.t.Helper()
	err := r.st.View(func(sn *store.Snap) error {
		segments, err := sn.KeyRanges(root)
		if err != nil {
			return err
		}
		for _, seg := range segments {
			c := sn.Cursor(seg.Lo, seg.Hi)
			for c.Next() {
				if err := c.Record().Load(); err != nil {
					return err
				}
				dir := sn.PathOf(c.Dir())
				for _, e := range c.Record().All() {
					visit(dir, e)
				}
			}
			if err := c.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// paths returns the paths of the entries below root, sorted.
func (r *rig) paths(root string) []string {
	r.t.Helper()
	list := []string{}
	r.each(root, func(dir string, e *listing.Entry) { list = append(list, join(dir, strings.Clone(e.Name))) })
	slices.Sort(list)
	return list
}

// found returns the paths that find(1) finds below root, sorted.
func found(t *testing.T, root string, args ...string) []string {
	t.Helper()
	out, err := exec.Command("find", append([]string{root, "-mindepth", "1"}, append(args, "-print0")...)...).Output()
	if err != nil && os.Geteuid() == 0 { // others' find fails where it may not read
		t.Fatalf("find: %v", err)
	}
	list := []string{}
	for p := range bytes.SplitSeq(out, []byte{0}) {
		if len(p) > 0 {
			list = append(list, string(p))
		}
	}
	slices.Sort(list)
	return list
}

// same fails the test unless the index has what find(1) finds.
func (r *rig) same(root string) {
	r.t.Helper()
	if diff := cmp.Diff(found(r.t, root), r.paths(root)); diff != "" {
		r.t.Fatalf("find(1) (-) and the index (+) differ:\n%.4000s", diff)
	}
}

// tree makes files (and, with a final slash, directories) below a new directory.
func tree(t *testing.T, paths ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	grow(t, root, paths...)
	return root
}

func grow(t *testing.T, root string, paths ...string) {
	t.Helper()
	for _, p := range paths {
		full := root + "/" + p
		dir := filepath.Dir(full)
		if strings.HasSuffix(p, "/") {
			dir = full
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir != full {
			if err := os.WriteFile(full, []byte(p), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFirstIndex(t *testing.T) {
	root := tree(t, "a", "b/c", "b/d/e", "f/", "g/h/i/j/k", "new\nline/x", "\xff\xfe/\x01", "-rf/--")
	must(t, os.Symlink("nowhere", root+"/dangling"))
	must(t, os.Symlink("..", root+"/b/loop"))
	r := run(t, "", Config{Roots: []string{root}})
	must(t, r.WaitReady(deadline(t)))
	r.same(root)
	r.idle()
	s, err := r.Status()
	must(t, err)
	if got, want := int(s.Roots[0].Entries), len(found(t, root)); got != want {
		t.Errorf("status counts %d entries, find(1) %d", got, want)
	}
	if s.Roots[0].State != Unwatched || !s.Ready || s.Pending != 0 {
		t.Errorf("status is %+v", s)
	}
}
