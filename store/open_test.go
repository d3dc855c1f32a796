package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"indexd/internal/testutil/race"
	"indexd/internal/testutil/scale"
	"indexd/store"
	"indexd/store/record"
)

const quick = 60 * time.Millisecond

// filled makes a database of some size, closed, and returns its path.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "index.db")
	s := openAt(t, path)
	v := newVolume(t, s, "/")
	f := newFakeFS(true)
	for i := range 40 {
		d := f.create(f.root, fmt.Sprintf("d%02d", i), true)
		for j := range 30 {
			f.create(d, fmt.Sprintf("f%02d", j), false)
		}
	}
	big := f.create(f.root, "big", true)
	for i := range 1500 {
		f.create(big, fmt.Sprintf("n%05d", i), false)
	}
	load(t, s, v, f)
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// load applies all of a fakeFS.
func load(t testing.TB, s *store.Store, v record.Volume, f *fakeFS) {
	t.Helper()
	update(t, s, func(tx *store.Tx) {
		for _, rel := range f.dirs() {
			for _, l := range f.list(f.at(rel), 1<<20) {
				apply(t, tx, record.MakeKey(v, rel), f.prepare(l))
			}
		}
	})
}

// apply applies what must not be refused.
func apply(t testing.TB, tx *store.Tx, key record.Key, p *record.EncodedListing) store.Applied {
	t.Helper()
	a, err := tx.Apply(key, p)
	if err != nil {
		t.Fatal(err)
	}
	if a.Stale || a.ParentMissing {
		t.Fatalf("%s was refused: %+v", key, a)
	}
	return a
}

func TestOpenMakesAWholeDatabase(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "index.db")
	s := openAt(t, path)
	ents, err := os.ReadDir(dir)
	if err != nil || len(ents) != 1 {
		t.Errorf("beside the database there is %v, %v", ents, err)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the database is %v, %v", fi.Mode(), err)
	}
	if s.Clock() != 0 || s.LastStamp() != 0 || s.ID() == [16]byte{} {
		t.Errorf("a new database has clock %d, stamp %d, id %x", s.Clock(), s.LastStamp(), s.ID())
	}
	id := s.ID()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s = openAt(t, path); s.ID() != id {
		t.Error("the id changed")
	}
}

func TestOpenIsExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "index.db")
	openAt(t, path)
	for _, ro := range []bool{false, true} {
		if _, err := store.Open(path, store.Options{Timeout: quick, ReadOnly: ro}); !errors.Is(err, store.ErrLocked) {
			t.Errorf("read-only %v: %v", ro, err)
		}
	}
}

func TestOpenTogetherOneWins(t *testing.T) {
	scale.SkipIfShort(t)
	for range 10 {
		path := filepath.Join(t.TempDir(), "index.db")
		var wg sync.WaitGroup
		var mu sync.Mutex
		var won []*store.Store
		for range 4 {
			wg.Go(func() {
				s, err := store.Open(path, store.Options{Timeout: 200 * time.Millisecond})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, s)
				} else if !errors.Is(err, store.ErrLocked) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d opened it", len(won))
		}
		won[0].Close()
	}
}

func TestOpenReadOnly(t *testing.T) {
	path := filled(t)
	before := read(t, path)
	var open []*store.Store
	for range 2 {
		s, err := store.Open(path, store.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		check(t, s)
		if _, err := s.Begin(); !errors.Is(err, store.ErrReadOnly) {
			t.Error(err)
		}
		open = append(open, s)
	}
	for _, s := range open {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if !bytes.Equal(before, read(t, path)) {
		t.Error("it was written to")
	}
	if _, err := store.Open(path+"x", store.Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOpenRefuses: each kind of wrong file has its error, and stays as it was.
func TestOpenRefuses(t *testing.T) {
	good := read(t, filled(t))
	foreign := func(o *bolt.Options) []byte {
		path := filepath.Join(t.TempDir(), "foreign")
		db, err := bolt.Open(path, 0o600, o)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Update(func(tx *bolt.Tx) error {
			b, err := tx.CreateBucket([]byte("blobs"))
			return errors.Join(err, b.Put([]byte("format"), []byte("17")))
		})
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		return read(t, path)
	}
	change := func(fn func(b []byte) []byte) []byte { return fn(bytes.Clone(good)) }
	for _, c := range []struct {
		name string
		file []byte
		want error
	}{
		{"empty", nil, store.ErrNotDatabase},
		{"text", []byte("never gonna give you up\n"), store.ErrNotDatabase},
		{"zeros", make([]byte, 1<<20), store.ErrNotDatabase},
		{"sqlite", append([]byte("SQLite format 3\x00"), make([]byte, 8192)...), store.ErrNotDatabase},
		{"bbolt of another program", foreign(nil), store.ErrNotDatabase},
		{"bbolt without a freelist", foreign(&bolt.Options{NoFreelistSync: true}), store.ErrNotDatabase},
		{"unreleased schema", store.Unreleased(t, good), store.ErrNotDatabase},
		{"newer schema", store.WithSchema(t, good, 99), store.ErrNewerSchema},
		{"cut off", change(func(b []byte) []byte { return b[:(pages(b)-1)*4096] }), store.ErrDamaged},
		{"cut off in the first page", change(func(b []byte) []byte { return b[:100] }), store.ErrDamaged},
		{"both meta pages overwritten", change(func(b []byte) []byte { clear(b[16+16 : 64]); clear(b[4096+32 : 4096+64]); return b }), store.ErrDamaged},
		{"first pages overwritten", change(func(b []byte) []byte { clear(b[:8192]); return b }), store.ErrNotDatabase},
		{"root page overwritten", change(func(b []byte) []byte { fill(b[rootPage(b)*4096:][:4096]); return b }), store.ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index.db")
			if err := os.WriteFile(path, c.file, 0o600); err != nil {
				t.Fatal(err)
			}
			long := time.Unix(1_000_000_000, 0)
			if err := os.Chtimes(path, long, long); err != nil {
				t.Fatal(err)
			}
			s, err := store.Open(path, store.Options{Timeout: quick})
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			t.Log(err)
			if fi, err := os.Stat(path); err != nil || !fi.ModTime().Equal(long) || !bytes.Equal(read(t, path), c.file) {
				t.Error("the file was written to")
			}
			// Nothing holds the file any more.
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
				t.Errorf("the file is still locked: %v", err)
			}
		})
	}
	t.Run("directory", func(t *testing.T) {
		if _, err := store.Open(t.TempDir(), store.Options{}); !errors.Is(err, store.ErrNotDatabase) {
			t.Error(err)
		}
	})
	t.Run("fifo", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "fifo")
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Skip(err)
		}
		if _, err := store.Open(path, store.Options{}); !errors.Is(err, store.ErrNotDatabase) {
			t.Error(err)
		}
	})
	t.Run("no directory", func(t *testing.T) {
		if _, err := store.Open(filepath.Join(t.TempDir(), "no", "index.db"), store.Options{}); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	})
}

func fill(b []byte) {
	for i := range b {
		b[i] = 0xa5
	}
}

// pages is the number of pages that are in use or were.
func pages(b []byte) int {
	return int(max(binary.NativeEndian.Uint64(b[16+40:]), binary.NativeEndian.Uint64(b[4096+16+40:])))
}

// rootPage is the number of the root bucket's page in the newer meta page.
func rootPage(b []byte) int {
	meta := b[16:]
	if binary.NativeEndian.Uint64(b[4096+16+48:]) > binary.NativeEndian.Uint64(b[16+48:]) {
		meta = b[4096+16:]
	}
	return int(binary.NativeEndian.Uint64(meta[16:]))
}

// TestOpenOldMeta: a power cut may tear the meta page that was being written;
// the other one has what was committed before.
func TestOpenOldMeta(t *testing.T) {
	path := filled(t)
	for page := range 2 {
		b := bytes.Clone(read(t, path))
		fill(b[page*4096+16:][:64])
		torn := filepath.Join(t.TempDir(), "torn.db")
		if err := os.WriteFile(torn, b, 0o600); err != nil {
			t.Fatal(err)
		}
		openAt(t, torn) // checked at the end
	}
}

// TestDamageIsNoPanic: whatever bytes of a database are other than they were,
// what happens is an error.
func TestDamageIsNoPanic(t *testing.T) {
	if race.On {
		t.Skip("a fault in the race detector's own code cannot be recovered from")
	}
	good := read(t, filled(t))
	refused, found, unseen := 0, 0, 0
	for _, seed := range seeds(t, 150) {
		r := rand.New(rand.NewPCG(seed, 0))
		b := bytes.Clone(good)
		switch page := r.IntN(pages(good)); r.IntN(4) {
		case 0:
			fill(b[page*4096:][:4096])
		case 1:
			copy(b[page*4096:][:4096], b[r.IntN(pages(good))*4096:])
		case 2:
			b[page*4096+r.IntN(64)] ^= 1 << r.IntN(8)
		case 3:
			for range 20 {
				b[r.IntN(pages(good)*4096)] ^= 1 << r.IntN(8)
			}
		}
		path := filepath.Join(t.TempDir(), "index.db")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Logf("STORE_SEED=%d", seed)
		s, err := store.Open(path, store.Options{})
		if err != nil {
			refused++
			continue
		}
		store.NoSync(s)
		problems := 0
		err = s.Check(context.Background(), func(store.Problem) { problems++ })
		if err != nil || problems > 0 {
			found++
		} else {
			unseen++
		}
		if err != nil {
			s.Close() // to write to it would be asking for it: bbolt may free pages without end
			continue
		}
		f := newFakeFS(true)
		f.stamp = 1 << 20
		for i := range 30 {
			f.create(f.root, fmt.Sprintf("e%02d", i), true)
		}
		tx, err := s.Begin()
		if err == nil {
			for _, rel := range f.dirs() {
				if _, err := tx.Apply(record.MakeKey(1, rel), f.prepare(f.list(f.at(rel), 1<<20)[0])); err != nil {
					break
				}
			}
			if _, err := tx.PurgeTombstones(1000); err == nil {
				tx.Commit()
			}
			tx.Rollback()
		}
		s.Close()
	}
	t.Logf("%d refused, %d found, %d unseen", refused, found, unseen)
}

func TestFull(t *testing.T) {
	s, err := store.Open(filepath.Join(t.TempDir(), "index.db"), store.Options{MaxSize: 2 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	store.NoSync(s)
	v := newVolume(t, s, "/")
	f := newFakeFS(true)
	for i := range 3000 {
		d := f.create(f.root, fmt.Sprintf("d%04d", i), true)
		for j := range 30 {
			f.create(d, fmt.Sprintf("a-rather-long-name-%04d-%d", i, j), false)
		}
	}
	clock := s.Clock()
	tx := begin(t, s)
	for _, rel := range f.dirs() {
		for _, l := range f.list(f.at(rel), 1<<20) {
			if _, err := tx.Apply(record.MakeKey(v, rel), f.prepare(l)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := tx.Commit(); !errors.Is(err, store.ErrFull) {
		t.Fatal(err)
	}
	if s.Clock() != clock {
		t.Error("the clock went on")
	}
	// It goes on with what fits.
	update(t, s, func(tx *store.Tx) {
		apply(t, tx, record.MakeKey(v, ""), f.prepare(f.list(&fakeNode{stat: f.root.stat}, 10)[0]))
	})
	check(t, s)
}

func TestClosed(t *testing.T) {
	s := openStore(t)
	tx := begin(t, s)
	tx.Rollback()
	if _, err := tx.Apply(record.MakeKey(1, ""), &record.EncodedListing{}); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
	if err := tx.Commit(); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Begin(); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
	if err := s.View(func(*store.Snap) error { return nil }); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
}
