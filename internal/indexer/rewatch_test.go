package indexer

import (
	"fmt"
	"os"
	"testing"
	"time"

	"indexd/store"
)

// restartAt stops the daemon, starts it again, and calls at once all names are verified and
// before the remaining directories are watched. The reconcile continues after at returns.
func (l *liveRig) restartAt(at func(again *liveRig)) *liveRig {
	l.t.Helper()
	l.stop()
	here, on := make(chan struct{}), make(chan struct{})
	first := true
	again := startLive(l.t, l.db, l.root, Config{Log: whenLogged("compared all directories", func() {
		if first {
			first = false
			close(here)
			<-on
		}
	})}, nil)
	select {
	case <-here:
	case <-deadline(l.t).Done():
		l.t.Fatal("names are not compared")
	}
	ended := false
	l.t.Cleanup(func() {
		if !ended {
			close(on)
		}
	})
	at(again)
	close(on)
	ended = true
	return again
}

// Changes between the verification of names and watching the rest are found, and the root is
// not live before.
func TestChangesBeforeWatched(t *testing.T) {
	l := runLive(t, "", "", nil)
	for i := range 20 {
		l.do(os.MkdirAll(l.path(fmt.Sprintf("%d/sub/deep", i)), 0o755), os.WriteFile(l.path(fmt.Sprintf("%d/f", i)), nil, 0o644))
	}
	l.compare()
	begun := time.Now()
	again := l.restartAt(func(l *liveRig) {
		// What is younger than 3 s was listed again, and watched: that is most.
		for i := range 20 {
			l.src.Unwatch(l.path(fmt.Sprintf("%d/sub", i)))
			l.src.Unwatch(l.path(fmt.Sprintf("%d", i)))
		}
		l.do(os.WriteFile(l.path("0/new"), nil, 0o644), os.Remove(l.path("1/f")), os.RemoveAll(l.path("2/sub")),
			os.MkdirAll(l.path("3/more/of/it"), 0o755), os.Rename(l.path("4/sub"), l.path("5/moved")),
			os.Rename(l.path("6/f"), l.path("6/g")), os.WriteFile(l.path("7/sub/x"), []byte("x"), 0o644))
		waitFor(l.t, func() bool {
			s, err := l.Status()
			l.do(err)
			return s.Roots[0].NamesVerified.After(begun)
		})
		s, err := l.Status()
		if err != nil || s.Roots[0].State != Reconciling || len(l.Stale(nil, false)) != 1 {
			t.Errorf("%+v %v, stale: %v", s.Roots[0], err, l.Stale(nil, false))
		}
	})
	again.idle()
	got, want := again.paths(again.root), found(t, again.root)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the index has %q\nfind(1)      %q", got, want)
	}
	again.compare()
	s, err := again.Status()
	if err != nil || s.Roots[0].State != Live || s.Roots[0].LiveDirs != s.Roots[0].Dirs {
		t.Errorf("%+v %v", s.Roots[0], err)
	}
}

// A barrier in that time waits for the watches.
func TestSyncBeforeWatched(t *testing.T) {
	l := runLive(t, "", "", nil)
	l.do(os.MkdirAll(l.path("a/b"), 0o755), os.MkdirAll(l.path("c/d"), 0o755))
	l.compare()
	synced := make(chan error, 1)
	again := l.restartAt(func(l *liveRig) {
		for _, dir := range []string{"a", "a/b", "c/d"} {
			l.src.Unwatch(l.path(dir))
		}
		l.do(os.WriteFile(l.path("a/b/f"), nil, 0o644), os.Rename(l.path("c"), l.path("a/c")), os.WriteFile(l.path("a/c/d/x"), nil, 0o644))
		ctx := deadline(l.t)
		go func() { synced <- l.Sync(ctx, nil) }()
		waitFor(l.t, func() bool { return l.writer.InHurry() }) // it has begun
	})
	again.do(<-synced)
	again.same()
}

// A barrier for one directory lists what is pending there, however much is pending elsewhere.
func TestSyncBesideMuchElse(t *testing.T) {
	l := runLive(t, "", "", nil)
	l.do(os.Mkdir(l.path("a"), 0o755), os.Mkdir(l.path("z"), 0o755))
	l.compare()
	key, _, err := l.mounts.Load().key(l.path("z"))
	l.do(err)
	l.do(l.writer.Update(t.Context(), func(tx *store.Tx) error {
		for i := range pendingBatch {
			other, _, err := l.mounts.Load().key(l.path(fmt.Sprintf("a/%04d", i)))
			if err == nil {
				err = tx.PutPending(other, store.Pending{Stamp: l.Stamp()})
			}
			if err != nil {
				return err
			}
		}
		return tx.PutPending(key, store.Pending{Stamp: l.Stamp()})
	}))
	l.do(l.listAllPending(deadline(t), l.rootOf(l.root), []string{l.path("z")}))
	l.do(l.st.View(func(sn *store.Snap) error {
		if sn.IsPending(key) {
			t.Error("it is pending still")
		}
		return nil
	}))
}
