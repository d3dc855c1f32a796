package watch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"indexd/internal/testutil/fsstress"
)

// mirror is the simplest possible consumer: it maintains the names of a tree only by
// following hints, and watches each directory before listing it.
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

// walk lists dir and everything below it.
func (m *mirror) walk(dir string) { m.list(dir, true) }

// list lists dir, and its new subdirectories, or all of them.
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
	for d := range m.dirs { // also what was found below a directory while that was away
		if below, ok := strings.CutPrefix(d, dir+"/"); ok {
			if name, _, _ := strings.Cut(below, "/"); !now[name] {
				delete(m.dirs, d)
			}
		}
	}
	for name, isDir := range now {
		if isDir && (all || !was[name]) {
			m.walk(dir + "/" + name)
		}
	}
}

// up forgets dir, which cannot be listed, and lists its parent again, which tells whether
// it exists: asking for its name alone might follow a link further up.
func (m *mirror) up(dir string) {
	m.forget(dir)
	if dir != m.root {
		parent, name := split(dir)
		delete(m.dirs[parent], name)
		m.list(parent, false)
	}
}

func (m *mirror) forget(dir string) {
	for d := range m.dirs {
		if d == dir || strings.HasPrefix(d, dir+"/") {
			delete(m.dirs, d)
		}
	}
}

// name checks one name.
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

// apply follows the hints of a batch.
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

// settle takes hints up to a barrier and applies them, until a barrier brings none: what
// is found while applying them may be stale at once.
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

// paths returns the paths of the mirror, as find(1) prints them.
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
	want := fsstress.Find(m.t, m.root, `%y %p\0`)
	for i, w := range want {
		if w[0] != 'd' {
			want[i] = "-" + w[1:]
		}
	}
	slices.Sort(want)
	fsstress.Same(m.t, m.paths(), want)
}

func isNotDir(err error) bool {
	return errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ELOOP)
}
