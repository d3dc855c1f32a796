// Package race tells tests whether the race detector watches them.
package race

// Fewer is n, or under the race detector a fifth of it: for tests that do a thing n
// times on one goroutine, which are ten times as slow there and find no more.
func Fewer(n int) int {
	if On {
		return max(n/5, 1)
	}
	return n
}
