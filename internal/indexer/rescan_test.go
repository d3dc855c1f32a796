package indexer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"indexd/internal/testutil/scale"
	"indexd/ipc/wire"
)

func TestRescanFindsEveryChange(t *testing.T) {
	scale.SkipIfShort(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	root := tree(t)
	r := run(t, "", Config{Roots: []string{root}, Workers: 4})
	name := func() string {
		p := root
		for range 1 + rnd.IntN(4) {
			p += fmt.Sprintf("/%c", 'a'+rune(rnd.IntN(5)))
		}
		return p
	}
	for range 30 {
		for range 40 {
			switch p := name(); rnd.IntN(5) {
			case 0, 1:
				_ = os.MkdirAll(p, 0o755)
			case 2:
				_ = os.WriteFile(p, nil, 0o644)
			case 3:
				_ = os.Rename(p, name())
			case 4:
				_ = os.RemoveAll(p)
			}
		}
		if j := r.rescan(root); j.State != wire.JobDone {
			t.Fatalf("the job ended %s: %+v", j.State, j.Paths)
		}
		r.idle()
		r.same(root)
	}
}

func TestSwapByThreeRenames(t *testing.T) {
	root := tree(t, "a/of a", "b/of b/deep")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	must(t, os.Rename(root+"/a", root+"/t"))
	must(t, os.Rename(root+"/b", root+"/a"))
	must(t, os.Rename(root+"/t", root+"/b"))
	r.rescan(root)
	r.idle()
	r.same(root)
}

func TestRescanOfOnePath(t *testing.T) {
	root := tree(t, "dir/old", "other/old", "file")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	grow(t, root, "dir/new", "dir/deep/er/x", "other/new")

	if j := r.rescan(root + "/dir"); j.State != wire.JobDone || j.Paths[0].Dirs != 3 || j.Paths[0].Entries != 5 { // dir, deep, er
		t.Errorf("rescan of dir: %+v", j)
	}
	r.idle()
	got := r.paths(root)
	want := []string{"/dir", "/dir/deep", "/dir/deep/er", "/dir/deep/er/x", "/dir/new", "/dir/old", "/file", "/other", "/other/old"}
	for i := range want {
		want[i] = root + want[i]
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after a rescan of dir alone the index has %q", got)
	}

	must(t, os.WriteFile(root+"/file", []byte("longer than before"), 0o644))
	if j := r.rescan(root + "/file"); j.State != wire.JobDone {
		t.Errorf("rescan of a file: %+v", j)
	}
	if res, err := r.Check(t.Context(), root, false, func(d *wire.Difference) error {
		if filepath.Dir(d.Path) == root && d.Path != root+"/other" {
			t.Errorf("after the rescan %s is %s: %s", d.Path, d.Change, d.Detail)
		}
		return nil
	}, nil); err != nil || res.Differences == 0 {
		t.Errorf("check: %+v, %v", res, err)
	}

	grow(t, root, "new/path/no/body/knows/x")
	if j := r.rescan(root + "/new/path/no/body"); j.State != wire.JobDone {
		t.Errorf("rescan below a directory that is not known: %+v", j)
	}
	r.idle()
	if j := r.rescan(root + "/other"); j.State != wire.JobDone {
		t.Errorf("%+v", j)
	}
	r.idle()
	r.same(root)
}

// S3: paths that do not exist are reported and counted, and the others are listed.
func TestS3_MissingPathsAreReported(t *testing.T) {
	root := tree(t, "a/x", "b/x", "gone/x")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	must(t, os.RemoveAll(root+"/gone"))
	grow(t, root, "a/y", "b/y")
	j := r.rescan(root+"/a", root+"/missing", root+"/gone", root+"/b", "/outside")
	if j.State != wire.JobFailed {
		t.Errorf("the job ended %s", j.State)
	}
	for i, want := range []wire.JobState{wire.JobDone, wire.JobFailed, wire.JobFailed, wire.JobDone, wire.JobFailed} {
		p := j.Paths[i]
		if p.State != want {
			t.Errorf("%s ended %s, not %s: %s", p.Path, p.State, want, p.Error)
		}
		if want == wire.JobFailed && p.Error != ErrNotIndexed.Error() {
			t.Errorf("%s: %q tells more than the others", p.Path, p.Error)
		}
	}
	r.idle()
	r.same(root)
}

// A path that is gone together with directories above it is missing like any other, and those
// directories leave the index too.
func TestRescanBelowWhatIsGone(t *testing.T) {
	for _, path := range []string{"/a/b/c/file", "/a/b/c", "/a/b/c/no/such"} {
		root := tree(t, "a/b/c/file", "d/e")
		r := run(t, "", Config{Roots: []string{root}})
		r.idle()
		must(t, os.RemoveAll(root+"/a"))
		p := r.rescan(root + path).Paths[0]
		if want := (wire.PathResult{Index: p.Index, Path: root + path, State: wire.JobFailed, Error: ErrNotIndexed.Error()}); p != want {
			t.Errorf("%s: %+v", path, p)
		}
		r.same(root)
	}
}

// A rescan that does not find the root has verified nothing.
func TestRescanOfARootThatIsGone(t *testing.T) {
	root := tree(t, "dir/a")
	r := run(t, "", Config{Roots: []string{root + "/dir"}})
	r.idle()
	status := func() wire.Root {
		s, err := r.Status()
		must(t, err)
		return s.Roots[0]
	}
	before := status()
	must(t, os.Rename(root+"/dir", root+"/away"))
	if p := r.rescan(root + "/dir").Paths[0]; p.State != wire.JobFailed {
		t.Errorf("the rescan: %+v", p)
	}
	if s := status(); s.State != Offline || !s.NamesVerified.Equal(*before.NamesVerified) {
		t.Errorf("missing: %+v, before %+v", s, before)
	}
	must(t, os.Rename(root+"/away", root+"/dir"))
	r.rescan(root + "/dir")
	if s := status(); s.State != before.State || !s.NamesVerified.After(*before.NamesVerified) {
		t.Errorf("back: %+v", s)
	}
}

func TestExplainAndCheck(t *testing.T) {
	root := tree(t, "a/b/c", "d")
	r := run(t, "", Config{Roots: []string{root}})
	r.idle()
	for p, indexed := range map[string]bool{root: true, root + "/a": true, root + "/a/b/c": true, root + "/x": false, root + "/d/x": false, "/nowhere": false} {
		e, err := r.Explain(p)
		if err != nil || e.Indexed != indexed || indexed == (e.Reason != "") {
			t.Errorf("explain %s: %+v, %v", p, e, err)
		}
	}
	grow(t, root, "a/new")
	must(t, os.Remove(root+"/d"))
	var got []string
	note := func(d *wire.Difference) error {
		got = append(got, d.Change+" "+d.Path[len(root):])
		return nil
	}
	res, err := r.Check(t.Context(), root, true, note, nil)
	must(t, err)
	if fmt.Sprint(got) != "[removed /d modified /a created /a/new]" && fmt.Sprint(got) != "[modified /a removed /d created /a/new]" {
		t.Errorf("check found %q", got)
	}
	if res.Differences != 3 || res.Repaired != 2 {
		t.Errorf("check: %+v", res)
	}
	r.idle()
	r.same(root)
	if res, err = r.Check(t.Context(), root, false, note, nil); err != nil || res.Differences != 0 {
		t.Errorf("check after the repair: %+v, %v, %q", res, err, got)
	}
	if _, err := r.Check(t.Context(), root+"/no", false, note, nil); !errors.Is(err, ErrNotIndexed) {
		t.Errorf("check of nothing: %v", err)
	}
}
