package indexer

import (
	"errors"
	"time"

	"indexd/walker"
)

// verifyEvery is how many sweeps of names there are to one that lists everything
// again. The times of a directory tell of its names at two microseconds each;
// sizes, times and owners of files show only when each is asked for.
const verifyEvery = 6

// sweep starts what is due and returns how long until something is again.
func (x *Indexer) sweep() time.Duration {
	const longest = time.Hour
	every := x.cfg.SweepInterval
	if every <= 0 {
		return longest
	}
	next := min(every, longest)
	x.MountsChanged()
	for _, r := range x.allRoots() {
		rec := r.record()
		if !rec.Complete {
			continue
		}
		names, metadata := time.Until(rec.Names.Add(every)), time.Until(rec.Metadata.Add(verifyEvery*every))
		switch {
		case metadata <= 0:
			x.verify(r)
		case names <= 0:
			x.sweepNames(r)
		default:
			next = min(next, names, metadata)
		}
	}
	return max(next, time.Second)
}

// sweepNames has directories listed again whose times changed, at a pace.
func (x *Indexer) sweepNames(r *root) {
	x.look(r, sweeping, func(begun passStart) error {
		changed, err := x.namesPass(r, walker.Sweep, &x.pace, compareBoth)
		if err == nil {
			x.log.Debug("swept", "root", r.path, "changed", changed, "took", time.Since(begun.at).Round(time.Millisecond))
			x.namesVerified(r, begun)
		}
		return err
	})
}

// errNamesFirst ends a sweep: events were lost or the rules are others, and names are
// to be looked at first and without a pause.
var errNamesFirst = errors.New("names are to be looked at first")

// wanted reports whether something that cannot wait, and is not paced, waits for what
// is being done for a root.
func (x *Indexer) wanted(r *root) bool {
	r.mu.Lock()
	again := r.again
	r.mu.Unlock()
	return again || !x.ruled(r)
}

// verify has every directory listed again, at a pace.
func (x *Indexer) verify(r *root) {
	x.look(r, sweeping, func(begun passStart) error {
		again := newCrew(x, walker.Sweep, crewSize)
		n := 0
		err := x.eachPage(r, func(page []suspect) error {
			for i := range page {
				if x.wanted(r) {
					return errNamesFirst
				}
				// It waits for the writer, which gathers for half a second, as soon
				// as a crew is under way: that is most of its rest.
				if err := again.list(x.running, page[i].dir); err != nil {
					return err
				}
				if n++; n%crewSize == 0 {
					if err := x.pace.rest(x.running, paceSlice); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err = errors.Join(err, again.wait(x.running)); err == nil {
			took := time.Since(begun.at).Round(time.Millisecond)
			r.lines.verified.Log(func(times int) { x.log.Info("verified", "root", r.path, "took", took, "times", times) })
			x.verified(r, begun)
		}
		return err
	})
}
