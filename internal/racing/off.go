//go:build !race

package racing

// On is whether the race detector is built in.
const On = false
