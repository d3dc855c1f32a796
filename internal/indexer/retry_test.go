package indexer

import (
	"testing"

	"indexd/store"
	"indexd/store/record"
)

// Directories that become pending because tombstones are purged are listed though nothing else
// happens.
func TestReapedIsSettled(t *testing.T) {
	root := tree(t, "a/b/c/x")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	before := r.Stamp()
	r.rescan(root + "/a/b/c") // and a/b
	r.idle()
	key, _, err := r.mounts.Load().key(root + "/a")
	must(t, err)
	must(t, r.writer.Update(t.Context(), func(tx *store.Tx) error { return tx.Drop(key, before) }))
	r.wake()
	waitFor(t, func() bool { return r.st.TombstoneCount() == 0 && r.st.PendingCount() == 0 })
	r.idle()
	r.same(root)
}

// While something is pending that cannot be listed, other directories are listed each time
// they become pending.
func TestSettledAgainAndAgain(t *testing.T) {
	root := tree(t, "a/x")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	key, _, err := r.mounts.Load().key(root + "/a")
	must(t, err)
	mark := func(key record.Key) {
		must(t, r.writer.Update(t.Context(), func(tx *store.Tx) error {
			return tx.PutPending(key, store.Pending{Stamp: r.Stamp()})
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
