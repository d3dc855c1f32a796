package main

import (
	"os"
	"runtime/debug"
)

// sizes are how much memory parts of the daemon may take, in bytes. 0: their own
// defaults.
type sizes struct {
	queue int   // what is listed and not yet written
	sort  int64 // all sorts together
}

// limitMemory lets the garbage of a first index grow to twice what is in use,
// which saves a tenth of its time over half of it, but to no more than 64 MiB in
// all, beyond which it is collected as soon as it takes half of a processor. What
// is set in the environment stands.
//
// Where a control group limits memory to so many bytes (0: none does), half of that
// is for the process at most: a third is for watches, and the rest is the page
// cache's, of which the database is part, and the kernel's.
func limitMemory(limit int64) (s sizes) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
	most := int64(64 << 20)
	if limit > 0 && limit/2 <= most {
		most = max(limit/2, 16<<20)
		s.queue = int(max(limit/32, 1<<20))
		s.sort = max(limit/16, 1<<20)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(most)
	}
	return s
}
