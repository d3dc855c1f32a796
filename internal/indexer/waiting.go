package indexer

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"indexd/internal/watch"
	"indexd/listing"
)

// waiting is the directories that would be watched if there were watches enough: of
// those the ones that changed last, by their paths. Its methods may be called from any
// goroutine, and do not block.
type waiting struct {
	most int // are remembered, up to twice as many for a while

	mu    sync.Mutex
	dirs  map[string]int64 // when something changed in them last, in seconds
	floor int64            // what changed no later is not remembered
	more  bool             // there may be others than dirs
}

const (
	// waitingDirs are remembered; others are found by a pass over all. There is one in
	// waitingPass times waitingPause at most, and then in twice that, up to
	// waitingPasses times.
	waitingDirs   = 4096
	waitingPass   = 20
	waitingPasses = 16
	// waitingPause is for how long watches gather that became free; then up to
	// waitingBatch of them are placed at once.
	waitingPause = 3 * time.Second
	waitingBatch = 256
)

// add notes a directory.
func (w *waiting) add(dir string, changed int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, is := w.dirs[dir]; !is && w.more && changed <= w.floor {
		return
	}
	if w.dirs == nil {
		w.dirs = make(map[string]int64)
	}
	if w.dirs[dir] = changed; len(w.dirs) > 2*w.most {
		for _, dir := range w.latest()[w.most:] {
			w.floor = max(w.floor, w.dirs[dir])
			delete(w.dirs, dir)
		}
		w.more = true
	}
}

// latest returns all that are remembered, those first that changed last.
func (w *waiting) latest() []string {
	list := make([]string, 0, len(w.dirs))
	for dir := range w.dirs {
		list = append(list, dir)
	}
	slices.SortFunc(list, func(a, b string) int {
		return cmp.Or(cmp.Compare(w.dirs[b], w.dirs[a]), cmp.Compare(a, b))
	})
	return list
}

// A waiter is a directory that would be watched.
type waiter struct {
	dir     string
	changed int64
}

// take takes the n out that changed last. left: there are others. lacking: there are
// none left that are remembered, but there may be others.
func (w *waiting) take(n int) (list []waiter, left, lacking bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.dirs) > 0 {
		for _, dir := range w.latest()[:min(n, len(w.dirs))] {
			list = append(list, waiter{dir, w.dirs[dir]})
			delete(w.dirs, dir)
		}
	}
	if left = len(w.dirs) > 0; !left {
		lacking = w.more
		w.floor, w.more = 0, false
	}
	return list, left, lacking
}

// placeFreed has directories watched that wait for it, as far as there are watches
// for them, and listed behind that. It returns how long to wait before it is called
// again, 0 for when watches are freed.
func (l *live) placeFreed(epoch uint64) time.Duration {
	x := l.x
	room := min(x.src.Room(), waitingBatch)
	if room <= 0 {
		return 0
	}
	list, left, lacking := x.waiting.take(room)
	for _, w := range list {
		l.heartbeat.Tick()
		if x.isExcluded(w.dir) || x.src.Watched(w.dir) {
			continue
		}
		if _, _, shut := x.places.Load().barrier(w.dir, x.rootOf(w.dir).path); shut {
			continue // by a mount
		}
		if _, ok := x.watchDir(w.dir, watch.Ident{}, listing.Time{Sec: w.changed}); ok {
			x.dirtyIn(epoch, w.dir) // watch, then list
		}
	}
	if left {
		return min(x.cfg.gather, time.Second)
	}
	if l.lacking = l.lacking || lacking || len(list) > 0; l.lacking {
		return l.watchRest()
	}
	return 0
}

// watchRest has the roots swept of which not all is watched, as far as is known: that
// finds what was not remembered, or that there is nothing. It returns how long to wait
// before it is called again, 0 where it need not be.
func (l *live) watchRest() (wait time.Duration) {
	x := l.x
	l.lacking = false
	for _, r := range x.allRoots() {
		if x.isLive(r) || !r.record().Complete {
			continue
		}
		rest := &r.watchRest
		left := rest.pause - time.Since(rest.at)
		if left <= 0 && r.doing() != "" {
			left = x.cfg.gather
		}
		if left > 0 {
			l.lacking, wait = true, max(wait, left)
			continue
		}
		if first := waitingPass * x.cfg.gather; left < -2*rest.pause {
			rest.pause = first
		} else {
			rest.pause = min(max(2*rest.pause, first), waitingPasses*first)
		}
		rest.at = time.Now()
		x.sweepNames(r)
	}
	return wait
}
