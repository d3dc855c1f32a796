package access

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"indexd/internal/testutil/scale"
)

// rights are the permissions of a directory in a test.
type rights struct {
	mode     uint32
	uid, gid int
	acl      string // of setfacl, or none
}

var (
	someUsers  = []int{0, 61001, 61002, 61003}
	someGroups = []int{0, 62001, 62002, 62003}
)

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func randomRights(r *rand.Rand, acls bool) rights {
	x := rights{mode: uint32(r.IntN(0o1000)), uid: pick(r, someUsers), gid: pick(r, someGroups)}
	if r.IntN(2) == 0 {
		x.mode |= pick(r, []uint32{0o711, 0o755, 0o750, 0o705, 0o770})
	}
	if acls && r.IntN(2) == 0 {
		var list []string
		perm := func() string {
			return strings.Map(func(c rune) rune {
				if r.IntN(3) == 0 {
					return '-'
				}
				return c
			}, "rwx")
		}
		for range 1 + r.IntN(3) {
			if r.IntN(2) == 0 {
				list = append(list, fmt.Sprintf("u:%d:%s", pick(r, someUsers), perm()))
			} else {
				list = append(list, fmt.Sprintf("g:%d:%s", pick(r, someGroups), perm()))
			}
		}
		if r.IntN(2) == 0 {
			list = append(list, "m::"+perm())
		}
		slices.Sort(list)
		list = slices.CompactFunc(list, func(a, b string) bool { return a[:strings.LastIndex(a, ":")] == b[:strings.LastIndex(b, ":")] })
		x.acl = strings.Join(list, ",")
	}
	return x
}

func (x *rights) give(t *testing.T, dir string) {
	t.Helper()
	if err := os.Chown(dir, x.uid, x.gid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, fs.FileMode(x.mode)); err != nil {
		t.Fatal(err)
	}
	if x.acl != "" {
		if out, err := exec.Command("setfacl", "-b", "-m", x.acl, dir).CombinedOutput(); err != nil {
			t.Fatalf("setfacl %s: %v: %s", x.acl, err, out)
		}
	}
}

// findAs returns what find(1), run by w, lists in each of dirs, including those that it
// would not reach by itself, because it may search but not read a directory above.
func findAs(t *testing.T, w Credentials, dirs []string) []string {
	t.Helper()
	groups := "--clear-groups"
	if len(w.Groups) > 1 {
		var list []string
		for _, g := range w.Groups[1:] {
			list = append(list, strconv.Itoa(int(g)))
		}
		groups = "--groups=" + strings.Join(list, ",")
	}
	cmd := exec.Command("setpriv", fmt.Sprintf("--reuid=%d", w.UID), fmt.Sprintf("--regid=%d", w.Groups[0]), groups,
		"--inh-caps=-all", "find")
	cmd.Args = append(append(cmd.Args, dirs...), "-mindepth", "1", "-maxdepth", "1", "-print0")
	cmd.Dir = "/"
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil && !bytes.Contains(errs.Bytes(), []byte("Permission denied")) {
		t.Fatalf("find: %v: %s", err, errs.Bytes())
	}
	list := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(out) == 0 {
		list = nil
	}
	slices.Sort(list)
	return list
}

// seen returns what the package lets w list below dir, out of what root finds.
func seen(t *testing.T, s *Stats, w Credentials, dir string, after time.Time) (list []string, verdicts int) {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	walk := s.View(w, after).PathChecker(func(add func(string, *Stored) bool) {
		for i := at + 1; i < len(dirs) && add(dirs[i], &Stored{Doc: uint64(i + 1)}); i++ {
		}
	})
	for i, p := range dirs {
		at = i
		st := lookAt(p, nil)
		stored := st.stored()
		stored.Doc = uint64(i + 1)
		if sight := walk.Visibility(p, stored); sight == Full || sight == List {
			names, err := os.ReadDir(p)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range names {
				list = append(list, filepath.Join(p, n.Name()))
			}
		}
	}
	slices.Sort(list)
	return list, len(dirs)
}

// TestEqualsFind compares with find(1), run as users of all kinds, on trees with all
// kinds of permissions, also after these have changed.
func TestEqualsFind(t *testing.T) {
	scale.SkipIfShort(t)
	if os.Geteuid() != 0 {
		t.Skip("running find as other users needs root")
	}
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skip("there is no setpriv")
	}
	_, err := exec.LookPath("setfacl")
	acls := err == nil
	if !acls {
		t.Log("without ACLs: there is no setfacl")
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("ACCESS_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("ACCESS_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	top := t.TempDir()
	for d := top; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var dirs []string
	var grow func(dir string, depth int)
	grow = func(dir string, depth int) {
		for i := range 4 {
			d := fmt.Sprintf("%s/d%d", dir, i)
			if err := os.Mkdir(d, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(d+"/file", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			dirs = append(dirs, d)
			if depth > 1 {
				grow(d, depth-1)
			}
		}
	}
	grow(top, 4)
	for _, d := range dirs {
		x := randomRights(r, acls)
		x.give(t, d)
	}
	s := newStats(t)
	verdicts, after := 0, time.Time{}
	for round := range 8 {
		for range 8 {
			groups := []uint32{uint32(pick(r, someGroups))}
			for range r.IntN(3) {
				groups = append(groups, uint32(pick(r, someGroups)))
			}
			w := NewCredentials(uint32(pick(r, someUsers[1:])), groups)
			want := findAs(t, w, append([]string{top}, dirs...))
			got, n := seen(t, s, w, top, after)
			verdicts += n
			if !slices.Equal(got, want) {
				t.Fatalf("round %d, %+v: find lists %d, seen are %d\nonly seen: %q\nonly found: %q", round, w, len(want), len(got),
					without(got, want), without(want, got))
			}
		}
		for range 40 {
			switch d := pick(r, dirs); r.IntN(4) {
			case 0: // another place with what is below, which may be its own
				_ = os.Rename(d, d+"x")
				_ = os.Rename(d+"x", d)
			default:
				x := randomRights(r, acls)
				if _, err := os.Lstat(d); err == nil {
					x.give(t, d)
				}
			}
		}
		after = time.Now()
	}
	if verdicts < 10000 {
		t.Errorf("%d verdicts", verdicts)
	}
}

func without(a, b []string) (only []string) {
	for _, x := range a {
		if _, ok := slices.BinarySearch(b, x); !ok && len(only) < 10 {
			only = append(only, x)
		}
	}
	return only
}
