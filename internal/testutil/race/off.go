//go:build !race

package race

// On is whether the race detector is built in.
const On = false
