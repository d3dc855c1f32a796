package watch

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mirror is a consumer as simple as can be: it keeps the names of a tree by
// nothing but hints, watching each directory before it lists it.
type mirror struct {
	t    testing.TB
	s    *Source
	root string
	dirs map[string]map[string]bool // names in a directory, and whether they are directories
}

func newMirror(t testing.TB, s *Source, root string) *mirror {
	m := &mirror{t: t, s: s, root: root, dirs: make(map[string]map[string]bool)}
	m.walk(root)
	return m
}

// walk makes what is known of dir and all below what is there.
func (m *mirror) walk(dir string) { m.list(dir, true) }

// list lists dir, and what of its directories is new, or all of them.
func (m *mirror) list(dir string, all bool) {
	if _, err := m.s.Watch(dir, Ident{}, time.Time{}); err != nil && !errors.Is(err, ErrBudget) {
		if !errors.Is(err, ErrMoved) && !errors.Is(err, fs.ErrNotExist) && !isNotDir(err) {
			m.t.Errorf("watch: %v", err)
		}
		m.up(dir)
		return
	}
	entries, err := os.ReadDir(dir)
	if real, realErr := filepath.EvalSymlinks(dir); err != nil || realErr != nil || real != dir {
		m.s.UnwatchTree(dir) // a link on the way
		m.up(dir)
		return
	}
	was, now := m.dirs[dir], make(map[string]bool)
	m.dirs[dir] = now
	for _, e := range entries {
		now[e.Name()] = e.IsDir()
	}
	for name := range was {
		if isDir, ok := now[name]; !ok || !isDir {
			m.forget(dir + "/" + name)
		}
	}
	for name, isDir := range now {
		if isDir && (all || !was[name]) {
			m.walk(dir + "/" + name)
		}
	}
}

// up forgets dir, which cannot be listed, and looks at its name again.
func (m *mirror) up(dir string) {
	m.forget(dir)
	if dir != m.root {
		parent, name := split(dir)
		m.name(parent, name)
	}
}

func (m *mirror) forget(dir string) {
	for d := range m.dirs {
		if d == dir || strings.HasPrefix(d, dir+"/") {
			delete(m.dirs, d)
		}
	}
}

// name looks at one name.
func (m *mirror) name(dir, name string) {
	known := m.dirs[dir]
	if known == nil {
		return // gone, or to be walked yet
	}
	info, err := os.Lstat(dir + "/" + name)
	if err != nil {
		delete(known, name)
		m.forget(dir + "/" + name)
		return
	}
	known[name] = info.IsDir()
	if info.IsDir() {
		m.walk(dir + "/" + name)
	} else {
		m.forget(dir + "/" + name)
	}
}

// apply does what a batch asks for.
func (m *mirror) apply(b Batch) {
	if b.Overflow {
		m.walk(m.root)
	}
	for _, h := range b.Dirs {
		if h.Dir != m.root && !strings.HasPrefix(h.Dir, m.root+"/") {
			continue
		}
		switch {
		case h.Subtree:
			m.walk(h.Dir)
		case h.List:
			m.list(h.Dir, false)
		}
		for _, n := range h.Names {
			m.name(h.Dir, n.Name)
		}
	}
}

// settle takes hints up to a barrier and applies them, until a barrier brings
// none: what is found while applying them may be out of date at once.
func (m *mirror) settle() {
	for range 100 {
		b := m.s.sync(m.t)
		if len(b.Dirs) == 0 && !b.Overflow {
			return
		}
		m.apply(b)
	}
	m.t.Error("hints do not end")
}

// paths is what the mirror has, as find(1) prints it.
func (m *mirror) paths() []string {
	var list []string
	for dir, names := range m.dirs {
		for name, isDir := range names {
			kind := "-"
			if isDir {
				kind = "d"
			}
			list = append(list, kind+" "+dir+"/"+name)
		}
	}
	slices.Sort(list)
	return list
}

// compare settles and compares with find(1).
func (m *mirror) compare() {
	m.t.Helper()
	m.settle()
	out, err := exec.Command("find", m.root, "-mindepth", "1", "(", "-type", "d", "-printf", "d %p\\0", ")", "-o", "-printf", "- %p\\0").Output()
	if err != nil {
		m.t.Fatal("find: ", err)
	}
	want := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if len(out) == 0 {
		want = nil
	}
	slices.Sort(want)
	have := m.paths()
	if !slices.Equal(have, want) {
		missing, extra := difference(want, have), difference(have, want)
		m.t.Fatalf("%d paths of find(1) are missing, %d are too many: %.10q %.10q", len(missing), len(extra), missing, extra)
	}
}

func difference(a, b []string) (list []string) {
	for _, s := range a {
		if _, ok := slices.BinarySearch(b, s); !ok {
			list = append(list, s)
		}
	}
	return list
}

func isNotDir(err error) bool {
	return errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}
