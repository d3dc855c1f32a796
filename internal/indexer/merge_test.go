package indexer

import (
	"fmt"
	"testing"

	"indexd/internal/testutil/scale"
	"indexd/store"
	"indexd/store/postings/trigram"
)

// named returns how many docs are candidates for a text.
func (r *rig) named(text string) (n int) {
	r.t.Helper()
	err := r.st.View(func(sn *store.Snap) error {
		c, err := sn.Candidates(&trigram.Need{All: trigram.Of(text)})
		if err == nil {
			n = int(c.GetCardinality())
		}
		return err
	})
	must(r.t, err)
	return n
}

// The first index is merged into the postings soon after it, later changes once there are
// enough of them, and after a start whatever is left.
func TestMerges(t *testing.T) {
	scale.SkipIfShort(t)
	var paths []string
	for d := range 400 {
		paths = append(paths, fmt.Sprintf("dir%03d/file%03d", d, d))
	}
	root := tree(t, paths...)
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	waitFor(t, func() bool { return r.st.FreshCount() == 0 })
	if n := r.named("file123"); n != 1 {
		t.Errorf("%d candidates for what one directory has", n)
	}
	for d := range 300 {
		grow(t, root, fmt.Sprintf("dir%03d/another", d))
	}
	r.rescan(root)
	waitFor(t, func() bool { return r.st.FreshCount() == 0 })
	if n := r.named("another"); n != 300 {
		t.Errorf("%d candidates for what 300 directories have", n)
	}
	grow(t, root, "dir000/the third")
	r.rescan(root)
	if n := r.named("the third"); n != 1 {
		t.Errorf("%d candidates for what one directory has", n)
	}
	r.stop()
	r = run(t, r.db, Config{Roots: []string{root}})
	waitFor(t, func() bool { return r.st.FreshCount() == 0 })
	if n := r.named("the third"); n != 1 {
		t.Errorf("%d candidates for what one directory has", n)
	}
	r.same(root)
}
