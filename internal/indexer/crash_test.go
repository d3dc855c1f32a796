package indexer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"indexd/internal/testutil/powercut"
	"indexd/internal/testutil/scale"
	"indexd/internal/watch"
	"indexd/store"
	"indexd/store/dbfile"
)

// memoryDir returns a directory in memory if possible, because syncing is fast there.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "indexer-test")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// sample returns how many times to do something: n, or what the environment says, where
// "all" stands for -1.
func sample(t *testing.T, name string, n int) int {
	switch s := os.Getenv(name); s {
	case "":
		return n
	case "all":
		return -1
	default:
		n, err := strconv.Atoi(s)
		must(t, err)
		return n
	}
}

// random logs its seed. INDEXER_SEED sets it.
func random(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("INDEXER_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		must(t, err)
	}
	t.Logf("INDEXER_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

const eventfulDirs = 300

// eventful makes the tree that liveThrough changes.
func eventful(t *testing.T, root string) {
	var paths []string
	for d := range eventfulDirs {
		for f := range 3 {
			paths = append(paths, fmt.Sprintf("d%03d/a name that fills a page soon %d.txt", d, f))
		}
	}
	for f := range 700 {
		paths = append(paths, fmt.Sprintf("big/entry %d", f))
	}
	grow(t, root, paths...)
}

// liveThrough indexes the tree that eventful made at root into db, opened with opt, and then
// does everything that makes a store write: names come and go, directories are moved,
// postings are merged, free space is compacted. It passes the store to opened, if that is
// not nil. compactions returns how often the database was compacted.
func liveThrough(t *testing.T, db, root string, opt store.Options, opened func(*store.Store), compactions func() int) {
	openOptions = opt
	defer func() { openOptions = store.Options{} }()
	barrierDir := filepath.Join(filepath.Dir(root), "sync")
	src, err := watch.Open(watch.Options{BarrierDir: barrierDir, Excluded: func(string) bool { return false }})
	if errors.Is(err, watch.ErrUnavailable) {
		t.Skip(err)
	}
	must(t, err)
	r := run(t, db, Config{Roots: []string{root}, Watch: src, BarrierDir: barrierDir, Eager: true})
	if opened != nil {
		opened(r.st)
	}
	must(t, r.WaitReady(deadline(t)))
	settle := func() {
		must(t, r.Sync(deadline(t), nil))
		waitFor(t, func() bool { return r.st.FreshCount() < 256 })
	}
	for d := range eventfulDirs {
		grow(t, root, fmt.Sprintf("d%03d/b/c/new %d", d, d))
	}
	settle()
	must(t, os.Rename(root+"/d001", root+"/t"))
	must(t, os.Rename(root+"/d002", root+"/d001"))
	must(t, os.Rename(root+"/t", root+"/d002"))
	must(t, os.Rename(root+"/d003", root+"/big/d003"))
	for f := range 350 {
		must(t, os.Remove(fmt.Sprintf("%s/big/entry %d", root, 2*f)))
	}
	settle()
	n := compactions()
	for d := range eventfulDirs * 3 / 4 {
		must(t, os.RemoveAll(fmt.Sprintf("%s/d%03d", root, d)))
	}
	settle()
	waitFor(t, func() bool { return compactions() > n })
	grow(t, root, "at the end/x", "big/x")
	settle()
	r.stop()
}

// resumed checks the database left at db, which includes the commits up to promised, and
// runs an Indexer on it until the index is what find(1) finds.
func resumed(t *testing.T, db, root string, promised uint64) {
	t.Helper()
	if _, err := os.Stat(db); promised > 0 && err != nil {
		t.Error(err)
	}
	st, err := store.Open(db, store.Options{})
	must(t, err)
	if st.Clock() < promised {
		t.Errorf("its clock is %d, %d was promised", st.Clock(), promised)
	}
	must(t, errors.Join(
		st.Check(context.Background(), func(p store.Problem) { t.Errorf("check: %s: %s", p.Where, p.What) }),
		st.Close()))
	if list, _ := os.ReadDir(filepath.Dir(db)); len(list) != 1 {
		t.Errorf("files are left: %v", list)
	}
	l := runLive(t, db, root, nil)
	l.idle()
	l.rig.same(root)
	l.compare()
	l.stop()
}

// fatal ends the process at the at-th point.
type fatal struct {
	at          int
	mu          sync.Mutex
	n           int
	compactions int
}

func (f *fatal) Fault(p dbfile.Point) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n++; f.n == f.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	if p.Op == dbfile.OpRename && p.Done && strings.HasSuffix(p.Path, ".compact") {
		f.compactions++
	}
	return nil
}

func (f *fatal) count(what *int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *what
}

// TestCrashHere is the process that crashes. INDEXD_CRASH holds a database, a root and the
// number of the point, separated by blanks. If the process passes all points, it prints how
// many there were.
func TestCrashHere(t *testing.T) {
	args := strings.Fields(os.Getenv("INDEXD_CRASH"))
	if len(args) != 3 {
		t.Skip("TestCrashAtEveryPoint runs it")
	}
	at, err := strconv.Atoi(args[2])
	must(t, err)
	f := &fatal{at: at}
	liveThrough(t, args[0], args[1], store.Options{Faults: f}, nil, func() int { return f.count(&f.compactions) })
	fmt.Printf("points: %d.\n", f.count(&f.n))
}

// crash runs TestCrashHere up to point at. It returns how many points there were if the
// process passed them all, else 0.
func crash(t *testing.T, at int) (points int) {
	dir := memoryDir(t)
	defer os.RemoveAll(dir)
	db := filepath.Join(dir, "db", "index.db")
	root := filepath.Join(dir, "root")
	must(t, errors.Join(os.Mkdir(filepath.Dir(db), 0o700), os.Mkdir(root, 0o700)))
	eventful(t, root)
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashHere$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("INDEXD_CRASH=%s %s %d", db, root, at))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		if strings.Contains(string(out), "SKIP") {
			t.Skip("nothing can be watched")
		}
		_, rest, _ := strings.Cut(string(out), "points: ")
		text, _, _ := strings.Cut(rest, ".")
		points, err = strconv.Atoi(text)
		must(t, err)
	case !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL:
		t.Fatalf("%v\n%s", err, out)
	}
	resumed(t, db, root, 0)
	return points
}

// The process ends at every point in turn, before and after everything that it does to the
// database's files, from the first start to the last commit. INDEXD_POINTS=all tries all
// of them, until one run passes all points.
func TestCrashAtEveryPoint(t *testing.T) {
	scale.SkipIfShort(t)
	r := random(t)
	total := crash(t, 0)
	n := sample(t, "INDEXD_POINTS", scale.Size(t, "", 3, 8))
	if n < 0 {
		at := 1
		for crash(t, at) == 0 && !t.Failed() {
			at++
		}
		t.Logf("crashed at each of %d points", at-1)
		return
	}
	for i := range n {
		at := 1 + (i*total+r.IntN(total))/n
		if crash(t, at); t.Failed() {
			t.Fatalf("after a crash at point %d of about %d", at, total)
		}
	}
	t.Logf("crashed at %d of %d points", n, total)
}

// noted is a powercut.Log that knows what the store has promised.
type noted struct {
	powercut.Log
	mu          sync.Mutex
	compactions int
	st          *store.Store
}

func (l *noted) Fault(p dbfile.Point) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.Op == dbfile.OpRename && p.Done && strings.HasSuffix(p.Path, ".compact") {
		l.compactions++
	}
	if l.st != nil {
		l.Promise(l.st.Clock())
	}
	return l.Log.Fault(p)
}

// Power is cut while an Indexer runs, at every step and with any part of what was not
// synced. What the disk has kept is a whole database, from which the index becomes what
// find(1) finds. INDEXD_IMAGES says how many such images to try.
func TestPowerCutWhileIndexing(t *testing.T) {
	scale.SkipIfShort(t)
	r := random(t)
	dir := memoryDir(t)
	db, root := filepath.Join(dir, "db", "index.db"), filepath.Join(dir, "root")
	must(t, errors.Join(os.Mkdir(filepath.Dir(db), 0o700), os.Mkdir(root, 0o700)))
	eventful(t, root)
	var log noted
	liveThrough(t, db, root, store.Options{Faults: &log}, func(st *store.Store) {
		log.mu.Lock()
		defer log.mu.Unlock()
		log.st = st
	}, func() int {
		log.mu.Lock()
		defer log.mu.Unlock()
		return log.compactions
	})
	n := sample(t, "INDEXD_IMAGES", scale.Size(t, "", 3, 8))
	share := float64(n) / float64(log.Len()*int(powercut.Ways))
	cuts := 0
	for d := log.Play(); d.Next(); {
		for way := range powercut.Ways {
			if n >= 0 && r.Float64() >= share {
				continue
			}
			cuts++
			left := filepath.Join(dir, "left")
			must(t, errors.Join(os.Mkdir(left, 0o700), d.Cut(way, r).WriteTo(left)))
			path := filepath.Join(left, "index.db")
			if resumed(t, path, root, d.Promised()); t.Failed() {
				t.Fatalf("of a power cut that kept %v at %s", way, d.Step())
			}
			must(t, os.RemoveAll(left))
		}
	}
	t.Logf("%d power cuts in %d steps", cuts, log.Len())
}
