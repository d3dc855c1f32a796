package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"indexd/internal/testutil/fsstress"
	"indexd/internal/testutil/scale"
	"indexd/ipc/wire"
	"indexd/store"
)

// mortal is a daemon that merges and compacts whenever it can, and is killed.
type mortal struct {
	t         *testing.T
	r         *rand.Rand
	seed      uint64
	dir, root string
	cmd       *exec.Cmd
	log       bytes.Buffer
	first     bool // it makes its database
	tally     map[string]int
}

func (m *mortal) db() string { return filepath.Join(m.dir, "db", "index.db") }

func (m *mortal) start() {
	m.t.Helper()
	_, err := os.Stat(m.db())
	m.first = err != nil
	m.log.Reset()
	m.cmd = exec.Command("indexd-eager", "--config=", "--log-level=debug", "--db", m.db(), "--socket", filepath.Join(m.dir, "s"), m.root)
	m.cmd.Stderr = &m.log
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
}

// kill kills it, and looks at what it has left.
func (m *mortal) kill() {
	m.t.Helper()
	_ = m.cmd.Process.Kill()
	if err := m.cmd.Wait(); m.cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		m.t.Fatalf("indexd ended by itself: %v\n%s", err, &m.log)
	}
	m.tally["kills"]++
	said := m.log.String()
	for what, text := range map[string]string{"merges": "merged postings", "compactions": "compacted the database"} {
		m.tally[what] += strings.Count(said, text)
	}
	if strings.Contains(said, "damaged") {
		m.t.Fatalf("what an earlier kill left was no good:\n%s", said)
	}
	if m.first {
		m.tally["kills of one that made its database"]++
	}
	m.check()
}

// check checks a copy, so that the next start finds what the kill has left.
func (m *mortal) check() {
	m.t.Helper()
	if _, err := os.Stat(m.db()); errors.Is(err, fs.ErrNotExist) {
		m.tally["kills before there was a database"]++
		return
	}
	copied := filepath.Join(m.dir, "copy")
	if err := os.CopyFS(copied, os.DirFS(filepath.Dir(m.db()))); err != nil {
		m.t.Fatal(err)
	}
	defer os.RemoveAll(copied)
	path := filepath.Join(copied, filepath.Base(m.db()))
	if _, err := os.Stat(path + ".compact"); err == nil {
		m.tally["kills within a compaction"]++
	}
	st, err := store.Open(path, store.Options{})
	if err != nil {
		m.t.Fatal(err)
	}
	defer st.Close()
	if err := st.View(func(sn *store.Snap) error {
		s, err := sn.Stats()
		if err == nil && s.Pending > 0 {
			m.tally["kills with directories pending"]++
		}
		return err
	}); err != nil {
		m.t.Error(err)
	}
	if err := st.Check(context.Background(), func(p store.Problem) { m.t.Errorf("check: %v", p) }); err != nil || m.t.Failed() {
		m.t.Fatalf("what a kill left contradicts itself: %v", err)
	}
}

// same compares what the daemon finds of what there is now with find(1).
func (m *mortal) same() {
	m.t.Helper()
	c, ctx, cancel := client(filepath.Join(m.dir, "s"))
	defer cancel()
	var have []string
	t, err := c.Find(ctx, &wire.FindRequest{Sync: wire.Duration(patience)}, func(r *wire.Row) error {
		have = append(have, fmt.Sprintf("%s %c %o %d %d.%09d0 %d", r.Path(), r.Type().Letter(), r.Mode&0o7777, r.Size, r.Mtime.Sec, r.Mtime.Nsec, r.Ino))
		return nil
	})
	if err != nil || t.SyncMissed || !t.Complete {
		m.t.Fatalf("find: %+v, %v\n%s", t, err, &m.log)
	}
	slices.Sort(have)
	fsstress.Same(m.t, have, fsstress.Find(m.t, m.root, fsstress.Full))
}

// change changes the tree until ctx ends: whatever a storm's writers do, and
// directories by the hundred that come and go, for something to merge and to
// compact.
func (m *mortal) change(ctx context.Context, round int) {
	var all sync.WaitGroup
	defer all.Wait()
	for n := range 2 {
		w := fsstress.NewWriter(m.seed, 2*round+n, m.root+"/storm", m.dir)
		all.Go(func() {
			for ctx.Err() == nil {
				w.Do()
			}
		})
	}
	all.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			top := fmt.Sprintf("%s/come and go %d", m.root, i%3)
			_ = os.RemoveAll(top)
			for d := 0; d < 150 && ctx.Err() == nil; d++ {
				dir := fmt.Sprintf("%s/%d/a directory of round %d", top, d, round)
				_ = os.MkdirAll(dir, 0o755)
				for f := range 4 {
					_ = os.WriteFile(fmt.Sprintf("%s/file %d", dir, f), nil, 0o644)
				}
			}
		}
	})
}

// A daemon is killed at random instants, while it makes its database, indexes,
// goes on where another was killed, while there is a storm, while it merges and
// compacts; the next one finds what find(1) finds, every time. INDEXD_KILLS says
// how often; some of these times it is killed more than once.
func TestKilled(t *testing.T) {
	scale.SkipIfShort(t)
	m := &mortal{t: t, seed: fsstress.Seed(t), tally: make(map[string]int)}
	m.r = rand.New(rand.NewPCG(m.seed, 1<<40))
	var err error
	if m.dir, err = os.MkdirTemp("", "killed"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(m.dir) })
	if m.dir, err = filepath.EvalSymlinks(m.dir); err != nil {
		t.Fatal(err)
	}
	m.root = filepath.Join(m.dir, "root")
	for d := range 400 {
		dir := fmt.Sprintf("%s/still/%d/sub", m.root, d)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(fmt.Sprintf("%s/file %d", dir, d), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(m.root+"/storm", 0o755); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	m.start()
	m.same()
	span := time.Since(begun) // of a first index
	defer func() {
		_ = m.cmd.Process.Kill()
		_ = m.cmd.Wait()
		t.Logf("%v", m.tally)
	}()
	for round := range scale.Size(t, "INDEXD_KILLS", 3, 10) {
		m.round(round, span)
		m.same()
		m.tally["comparisons"]++
	}
}

// round kills the daemon once, or more often before it has come to an end of what
// the kill before left it to do, in the midst of changes.
func (m *mortal) round(n int, span time.Duration) {
	m.t.Helper()
	var changing sync.WaitGroup
	defer changing.Wait()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	changing.Go(func() { m.change(ctx, n) })
	for again := true; again; again = m.r.IntN(3) == 0 {
		<-time.After(time.Duration(m.r.Int64N(int64(2*span)) + 1)) // the random instant
		m.kill()
		if m.r.IntN(4) == 0 {
			if err := os.RemoveAll(filepath.Dir(m.db())); err != nil {
				m.t.Fatal(err)
			}
		}
		m.start()
	}
}
