package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"indexd/internal/testutil/powercut"
	"indexd/internal/testutil/scale"
	"indexd/store"
	"indexd/store/dbfile"
)

// memoryDir is a directory in memory, where there is one: to sync is quick there.
func memoryDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "store-test")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// images returns how many to look at of those that a test has: INDEXD_IMAGES, or n.
func images(t *testing.T, n int) int {
	if s := os.Getenv("INDEXD_IMAGES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// logged runs a sim over a new database, all that is done to its files being
// noted: it is made, filled, changed, merged, compacted while it changes, and
// opened again.
func logged(t *testing.T, r *rand.Rand) (*sim, *powercut.Log) {
	log := new(powercut.Log)
	path := filepath.Join(memoryDir(t), "index.db")
	open := func() *store.Store {
		s, err := store.Open(path, store.Options{Faults: log})
		if err != nil {
			t.Fatal(err)
		}
		log.Promise(s.Clock())
		return s
	}
	m := &sim{t: t, r: r, f: newFakeFS(true), s: open(), path: path, part: 50 + r.IntN(500), names: textNames}
	defer func() {
		m.tx.Rollback()
		if err := m.s.Close(); err != nil {
			t.Error(err)
		}
	}()
	m.committed = func() { log.Promise(m.s.Clock()) }
	m.v = newVolume(t, m.s, "/")
	m.committed()
	m.tx = begin(t, m.s)
	m.dirty("", true)
	acts := func(n int) {
		for range n {
			m.act()
		}
		m.commit()
	}
	for range 2 {
		acts(60)
		m.merge()
		ended := make(chan error, 1)
		go func(s *store.Store) { ended <- s.Compact(context.Background()) }(m.s)
		for compacting := true; compacting; {
			acts(3)
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
				compacting = false
			default:
			}
		}
		acts(20)
		m.tx.Rollback()
		if err := m.s.Close(); err != nil {
			t.Fatal(err)
		}
		m.s = open()
		m.tx = begin(t, m.s)
	}
	return m, log
}

// resume opens what is left of a database, which holds what was promised,
// contradicts itself nowhere, and becomes what the file system is.
func (m *sim) resume(left powercut.State, promised uint64) error {
	dir, err := os.MkdirTemp(filepath.Dir(m.path), "left")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := left.WriteTo(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, "index.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && promised > 0 {
		return errors.New("there is none")
	}
	s, err := store.Open(path, store.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	store.NoSync(s)
	if s.Clock() < promised {
		return fmt.Errorf("its clock is %d, %d was promised", s.Clock(), promised)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		return fmt.Errorf("files are left: %v", list)
	}
	check(m.t, s)
	if m.t.Failed() {
		return errors.New("it contradicts itself")
	}
	n := &sim{t: m.t, r: m.r, f: m.f, s: s, path: path, part: m.part, names: m.names, v: m.v}
	entered := false
	view(m.t, s, func(sn *store.Snap) { _, entered, err = sn.Volume(m.v) })
	if err != nil {
		return err
	}
	if !entered {
		n.v = newVolume(m.t, s, "/")
	}
	n.tx = begin(m.t, s)
	defer func() { n.tx.Rollback() }()
	n.dirty("", true)
	n.settle()
	if m.t.Failed() {
		return errors.New("it did not become right")
	}
	return nil
}

// A process killed after any step that it takes, or within a write, leaves a
// whole database; and so does a power cut, whatever the disk kept of what was not
// synced: before the next step after a sync, and between.
func TestKilledOrCutAtEveryStep(t *testing.T) {
	scale.SkipIfShort(t)
	for _, seed := range seeds(t, 1) {
		t.Logf("STORE_SEED=%d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		m, log := logged(t, r)
		// Each step has a kill, perhaps one within the next, and each way of a cut.
		share := float64(images(t, 40)) / float64(log.Len()*(1+int(powercut.Ways)))
		kills, cuts, bounds := 0, 0, 0
		for d := log.Play(); d.Next(); {
			try := func(what string, left powercut.State) {
				if err := m.resume(left, d.Promised()); err != nil || t.Failed() {
					t.Fatalf("%s at %s: %v", what, d.Step(), err)
				}
			}
			if r.Float64() < share {
				kills++
				try("killed", d.Killed())
				if left, ok := d.KilledWithin(r); ok {
					kills++
					try("killed within what follows", left)
				}
			}
			for way := range powercut.Ways {
				if r.Float64() < share {
					cuts++
					if d.Synced() {
						bounds++
					}
					try("cut, kept "+way.String(), d.Cut(way, r))
				}
			}
		}
		t.Logf("%d steps: %d kills and %d power cuts, %d of them just behind a sync", log.Len(), kills, cuts, bounds)
	}
}

// TestMigrationKilledOrCutAtEveryStep: a migration that is killed, or during which power is
// cut, is done as a whole or not at all, and the next start does the rest.
func TestMigrationKilledOrCutAtEveryStep(t *testing.T) {
	const last = 4
	old := read(t, filled(t))
	log := powercut.Log{Before: powercut.State{"index.db": old}}
	// resume returns the version that a state has, and checks what was done by then and
	// after the rest of the migrations.
	resume := func(left powercut.State, o store.Options) int {
		dir := memoryDir(t)
		defer os.RemoveAll(dir)
		if err := left.WriteTo(dir); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "index.db")
		done := make(map[string]int)
		store.Inspect(t, path, func(tx *bolt.Tx) error {
			return tx.Bucket([]byte("settings")).ForEach(func(k, _ []byte) error {
				done[strings.Split(string(k), ",")[0]]++
				return nil
			})
		})
		from := must(store.Migrate(path, o, last))(t)
		for v := 2; v <= last; v++ {
			if n := done[fmt.Sprintf("migration %d", v)]; n != 0 && v > from || n != 200 && v <= from {
				t.Errorf("version %d: %d values of migration %d", from, n, v)
			}
		}
		store.Inspect(t, path, func(tx *bolt.Tx) error {
			if n := tx.Bucket([]byte("settings")).Stats().KeyN; n < 200*(last-1) {
				t.Errorf("%d settings after the migrations", n)
			}
			return nil
		})
		return from
	}
	if from := resume(log.Before, store.Options{Faults: &log}); from != 1 || log.Len() < 12 {
		t.Fatalf("from version %d in %d steps", from, log.Len())
	}
	rnd := rand.New(rand.NewPCG(seeds(t, 1)[0], 0))
	share := float64(images(t, 60)) / float64(log.Len()*(1+int(powercut.Ways)))
	n := 0
	versions := make(map[int]int)
	for d := log.Play(); d.Next(); {
		try := func(what string, left powercut.State) {
			n++
			versions[resume(left, store.Options{})]++
			if t.Failed() {
				t.Fatalf("%s at %s", what, d.Step())
			}
		}
		if rnd.Float64() < share {
			try("killed", d.Killed())
		}
		for way := range powercut.Ways {
			if rnd.Float64() < share {
				try("cut, kept "+way.String(), d.Cut(way, rnd))
			}
		}
	}
	t.Logf("%d steps, %d images, versions %v", log.Len(), n, versions)
}

// failing is a disk that fails once, at its at-th point, and is cut later.
type failing struct {
	powercut.Log
	at, n  int
	failed int // how many steps there were when it failed
}

func (f *failing) Fault(p dbfile.Point) error {
	if f.n++; f.n != f.at {
		return f.Log.Fault(p)
	}
	if p.Op == dbfile.OpSync || !p.Done {
		f.Failed(p)
	} else {
		_ = f.Log.Fault(p)
	}
	f.failed = f.Len()
	return unix.EIO
}

// Something fails, and what comes after it goes on; then power is cut. What was
// promised before and after is there, whatever a sync that failed has lost.
func TestCutAfterAnError(t *testing.T) {
	seed := seeds(t, 1)[0]
	t.Logf("STORE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	points := 0
	for i := range images(t, 40) {
		f := failing{}
		if i > 0 {
			f.at = 1 + r.IntN(points)
		}
		y := faulty{t: t, path: filepath.Join(memoryDir(t), "index.db"), f: newFakeFS(true)}
		y.done = func() {
			if y.s != nil {
				f.Promise(y.s.Clock())
			}
		}
		y.run(store.Options{Faults: &f})
		if points == 0 {
			points = f.n
		}
		m := &sim{t: t, r: r, f: y.f, v: y.v, path: y.path, part: 100, names: simNames}
		at, way := f.failed+r.IntN(f.Len()-f.failed+1), powercut.Way(r.IntN(int(powercut.Ways)))
		d := f.Play()
		for range at {
			d.Next()
		}
		if err := m.resume(d.Cut(way, r), d.Promised()); err != nil || t.Failed() {
			t.Fatalf("error at point %d, then cut, kept %v at %s: %v", f.at, way, d.Step(), err)
		}
	}
}
