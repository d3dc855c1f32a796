package fsstress

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Full is the format that Find is mostly used with: path, type, mode, size, mtime, inode.
const Full = `%p %y %m %s %T@ %i\0`

// Find returns what find(1) prints for everything below root, sorted. format is for
// -printf and must end in NUL.
func Find(t testing.TB, root, format string) []string {
	t.Helper()
	out, err := exec.Command("find", root, "-mindepth", "1", "-printf", format).Output()
	// For an ordinary user, find fails on directories that it may not read.
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || os.Geteuid() == 0) {
		t.Fatal("find(1): ", err)
	}
	list := strings.Split(string(out), "\x00")
	list = list[:len(list)-1]
	slices.Sort(list)
	return list
}

// Same fails the test if have, sorted, differs from the output of find(1), and shows some
// of the differences.
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
