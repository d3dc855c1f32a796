package indexer

import (
	"bytes"
	"testing"

	bolt "go.etcd.io/bbolt"

	"indexd/ipc/wire"
)

// After a start, damage is found: damaged entries are listed again, and any other damage is
// reported to the process. Until then, or for ever, nothing is said to be sure.
func TestDamageIsFound(t *testing.T) {
	for _, c := range []struct {
		name    string
		useless bool
		change  func(listings *bolt.Bucket, key []byte) error
	}{
		{"entries", false, func(b *bolt.Bucket, key []byte) error {
			val := bytes.Clone(b.Get(key))
			val[len(val)-5] ^= 1
			return b.Put(key, val)
		}},
		{"header", true, func(b *bolt.Bucket, key []byte) error {
			val := bytes.Clone(b.Get(key))
			val[2] ^= 1
			return b.Put(key, val)
		}},
		{"gone", true, func(b *bolt.Bucket, key []byte) error { return b.Delete(key) }},
		{"another key", true, func(b *bolt.Bucket, key []byte) error {
			val := bytes.Clone(b.Get(key))
			other := append(bytes.Clone(key[:len(key)-1]), 'B')
			if err := b.Delete(key); err != nil {
				return err
			}
			return b.Put(other, val)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := tree(t, "a/b/x", "a/b/c/y", "a/z", "d/e/f")
			r := run(t, "", Config{Roots: []string{root}})
			r.idle()
			key, _, err := r.mounts.Load().key(root + "/a/b")
			must(t, err)
			r.stop()
			forge(t, r.db, func(listings *bolt.Bucket) error { return c.change(listings, key) })
			r = run(t, r.db, Config{Roots: []string{root}})
			if c.useless {
				r.forged = true
				select {
				case <-r.st.Damaged():
				case <-deadline(t).Done():
					t.Fatal("the damage was not found")
				}
				if len(r.Stale(nil, false)) == 0 {
					t.Error("nothing is stale")
				}
				return
			}
			r.idle()
			if r.VerifyPending() {
				t.Error("it is still to be verified")
			}
			for _, s := range r.Stale(nil, false) {
				t.Errorf("%s is stale: %s", s.Path, s.Reason)
			}
			r.same(root)
			if list := r.differences(root, false); len(list) > 0 {
				t.Errorf("a check finds %q", list)
			}
		})
	}
}

// Until the database was verified, an answer is said to be unsure.
func TestUnsureUntilVerified(t *testing.T) {
	root := tree(t, "a/x")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	r.verification.pending.Store(true)
	if s := r.Stale(nil, false); len(s) != 1 || s[0].Reason != wire.StalePending {
		t.Errorf("%+v", s)
	}
	r.RequestVerify()
	r.idle()
	if s := r.Stale(nil, false); len(s) != 0 {
		t.Errorf("%+v", s)
	}
}
