//go:build race

package race

// On is whether the race detector is built in. A fault on a mapped page, which
// dbfile.CatchCorruption makes an error, is fatal where it meets the detector's own code.
const On = true
