//go:build race

package store_test

// underRace: a fault on a mapped page, which Guard makes an error, is fatal where
// the race detector's own code meets it.
const underRace = true
