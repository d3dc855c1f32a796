//go:build race

package run

// underRace: a fault on a mapped page, which store.Guard makes an error, is fatal
// where it meets the race detector's own code.
const underRace = true
