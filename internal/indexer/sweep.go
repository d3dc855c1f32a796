package indexer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"indexd/walker"
)

// verifyEvery is how many sweeps of names there are for one that lists everything again.
// The times of a directory show changes of its names at two microseconds each; sizes, times
// and owners of files show only if each file is asked for.
const verifyEvery = 6

// sweep starts what is due and returns how long until something else is.
func (p *passes) sweep() time.Duration {
	const longest = time.Hour
	every := p.cfg.SweepInterval
	if every <= 0 {
		return longest
	}
	next := min(every, longest)
	p.MountsChanged()
	for _, r := range p.allRoots() {
		rec := r.record()
		if !rec.Complete {
			continue
		}
		names, metadata := time.Until(rec.Names.Add(every)), time.Until(rec.Metadata.Add(verifyEvery*every))
		switch {
		case metadata <= 0:
			p.verify(r)
		case names <= 0:
			p.sweepNames(r)
		default:
			next = min(next, names, metadata)
		}
	}
	return max(next, time.Second)
}

// sweepNames lists directories again whose times changed, at a pace.
func (p *passes) sweepNames(r *root) {
	p.pass(r, sweeping, func(start passStart) error {
		changed, err := p.passNames(r, walker.Sweep, &p.pace, compareBoth)
		if err == nil {
			p.log.Debug("swept", "root", r.path, "changed", changed, "took", time.Since(start.at).Round(time.Millisecond))
			p.namesVerified(r, start)
		}
		return err
	})
}

// errNamesFirst ends a sweep when events were lost or the rules changed: names are compared
// first, and without a pause.
var errNamesFirst = errors.New("names are to be compared first")

// verify lists every directory again, at a pace.
func (p *passes) verify(r *root) {
	p.pass(r, sweeping, func(start passStart) error {
		group := newRelistGroup(p.scheduler, walker.Sweep)
		n := 0
		err := p.eachPage(r, func(page []storedDir) error {
			for i := range page {
				if p.urgent(r) {
					return errNamesFirst
				}
				// As soon as the group is full, relist waits for the writer, which gathers
				// changes for half a second: that is most of the rest.
				if err := group.relist(p.running, page[i].dir); err != nil {
					return err
				}
				if n++; n%relistMax == 0 {
					if err := p.pace.rest(p.running, paceSlice); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err = errors.Join(err, group.wait(p.running)); err == nil {
			took := time.Since(start.at).Round(time.Millisecond)
			r.logs.verified.Log(func(times int) { p.log.Info("verified", "root", r.path, "took", took, "times", times) })
			p.verified(r, start)
		}
		return err
	})
}

// pace makes work that nobody waits for leave the machine to others: it takes at most a
// quarter of the time, and less while others wait for a processor or the disk.
type pace struct {
	pressure func(resource string) float64
}

const (
	paceRest = 3 // times as long as it works
	// paceSlice is about how long a group of directories is listed for.
	paceSlice = 20 * time.Millisecond
	// The machine counts as busy if, in the last 10 s, some task waited for the resource
	// for more than this share of the time, in percent. The reads of the paced work itself
	// add a little to the disk's.
	paceIO, paceCPU = 25, 50
	// paceRetry is how long it waits while the machine is busy, and paceRetries how often:
	// it must end some day on a machine that is always busy.
	paceRetry   = time.Second
	paceRetries = 10
)

// rest returns when work that took so long may continue, or with ctx's error.
func (p *pace) rest(ctx context.Context, worked time.Duration) error {
	if err := sleep(ctx, paceRest*worked); err != nil {
		return err
	}
	for range paceRetries {
		if !p.busy() {
			break
		}
		if err := sleep(ctx, paceRetry); err != nil {
			return err
		}
	}
	return nil
}

// yield is rest for work that somebody waits for: it returns at once unless the machine is
// busy.
func (p *pace) yield(ctx context.Context, worked time.Duration) error {
	if !p.busy() {
		return context.Cause(ctx)
	}
	return sleep(ctx, paceRest*worked)
}

// busy reports whether others wait for the machine.
func (p *pace) busy() bool { return p.pressure("io") >= paceIO || p.pressure("cpu") >= paceCPU }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pressure returns the share of the last 10 s, in percent, in which some task waited for a
// resource, 0 if the kernel does not tell.
func pressure(resource string) float64 {
	b, err := os.ReadFile("/proc/pressure/" + resource)
	if err != nil {
		return 0
	}
	return parsePressure(b)
}

// parsePressure reads "some avg10=1.23 avg60=…", the format of the kernel's
// Documentation/accounting/psi.rst.
func parsePressure(b []byte) float64 {
	_, rest, _ := bytes.Cut(b, []byte("some avg10="))
	num, _, _ := bytes.Cut(rest, []byte(" "))
	v, err := strconv.ParseFloat(string(num), 64)
	if err != nil || !(v >= 0 && v <= 100) {
		return 0
	}
	return v
}
