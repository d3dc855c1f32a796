package indexer

import (
	"testing"

	"indexd/store"
	"indexd/store/record"
)

// What turns out to be unsettled when what is dead is cleared away is listed though
// nothing else happens.
func TestReapedIsSettled(t *testing.T) {
	root := tree(t, "a/b/c/x")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	before := r.stamp()
	r.rescan(root + "/a/b/c") // and a/b
	r.idle()
	key, _, err := r.mounts.Load().key(root + "/a")
	must(t, err)
	must(t, r.writer.Update(t.Context(), func(tx *store.Tx) error { return tx.Drop(key, before) }))
	r.wake()
	waitFor(t, func() bool { return r.st.DeadCount() == 0 && r.st.PendingCount() == 0 })
	r.idle()
	r.same(root)
}

// While there is something pending that cannot be listed, what becomes pending again
// and again is listed each time.
func TestSettledAgainAndAgain(t *testing.T) {
	root := tree(t, "a/x")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	key, _, err := r.mounts.Load().key(root + "/a")
	must(t, err)
	mark := func(key record.Key) {
		must(t, r.writer.Update(t.Context(), func(tx *store.Tx) error {
			return tx.PutPending(key, store.Pending{Stamp: r.stamp()})
		}))
	}
	var away record.Volume // nothing is mounted of it
	must(t, r.writer.Update(t.Context(), func(tx *store.Tx) (err error) {
		away, err = tx.PutVolume(store.VolumeInfo{Identity: "away", MountPoint: "/away", Offline: true})
		return err
	}))
	mark(record.MakeKey(away, ""))
	for range 2 * maxTries {
		mark(key)
		waitFor(t, func() bool { return r.st.PendingCount() == 1 })
		r.idle()
	}
}
