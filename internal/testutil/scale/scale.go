// Package scale decides how much a test does: a sample with "go test", less of it with
// "go test -short", and everything with INDEXD_LONG=1, which .ci/run sets.
package scale

import (
	"os"
	"strconv"
	"testing"
)

// Long reports whether INDEXD_LONG is set.
func Long() bool { return os.Getenv("INDEXD_LONG") != "" }

// SkipUnlessLong skips a test of which no smaller sample is worth its time.
func SkipUnlessLong(t testing.TB) {
	t.Helper()
	if !Long() {
		t.Skip("takes long: set INDEXD_LONG=1")
	}
}

// SkipIfShort skips a test that is too slow for "go test -short".
func SkipIfShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds: run without -short")
	}
}

// Size returns how much of something a test is to do: sample, or full with
// INDEXD_LONG=1, or the value of the environment variable env (unless that is ""), which
// is for a single test. With -short it is a fifth of sample, but at least 1.
func Size(t testing.TB, env string, sample, full int) int {
	t.Helper()
	s := ""
	if env != "" {
		s = os.Getenv(env)
	}
	switch {
	case s != "":
		n, err := strconv.Atoi(s)
		if err != nil || n <= 0 {
			t.Fatalf("%s: %q is not a positive number", env, s)
		}
		return n
	case testing.Short():
		return max(sample/5, 1)
	case Long():
		return full
	}
	return sample
}

// Sample returns every nth element of a list, or with INDEXD_LONG=1 all of it.
func Sample[T any](list []T, n int) []T {
	if Long() {
		return list
	}
	var some []T
	for i := 0; i < len(list); i += n {
		some = append(some, list[i])
	}
	return some
}
