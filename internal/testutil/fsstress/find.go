package fsstress

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Full is what Find prints of an entry: path, type, mode, size, mtime, inode.
const Full = `%p %y %m %s %T@ %i\0`

// Find returns what find(1) has below root in a format of its -printf that ends
// in NUL, sorted.
func Find(t testing.TB, root, format string) []string {
	t.Helper()
	out, err := exec.Command("find", root, "-mindepth", "1", "-printf", format).Output()
	// An ordinary user's find fails on what it may not read.
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || os.Geteuid() == 0) {
		t.Fatal("find(1): ", err)
	}
	list := strings.Split(string(out), "\x00")
	list = list[:len(list)-1]
	slices.Sort(list)
	return list
}

// Same fails where have, sorted, is not what find(1) has, with some of what only
// one of them has.
func Same(t testing.TB, have, want []string) {
	t.Helper()
	if slices.Equal(have, want) {
		return
	}
	missing, extra := without(want, have), without(have, want)
	t.Fatalf("of %d entries of find(1) %d are missing, %d are too many:\n%s\n\n%s", len(want), len(missing), len(extra),
		strings.Join(missing[:min(len(missing), 8)], "\n"), strings.Join(extra[:min(len(extra), 8)], "\n"))
}

func without(a, b []string) (list []string) {
	for _, s := range a {
		if _, ok := slices.BinarySearch(b, s); !ok {
			list = append(list, s)
		}
	}
	return list
}
