// Package race tells tests whether the race detector is enabled.
package race

// Fewer returns n, or a fifth of it under the race detector. It is for tests that repeat
// something n times on one goroutine, which is ten times slower there and finds no more.
func Fewer(n int) int {
	if On {
		return max(n/5, 1)
	}
	return n
}
