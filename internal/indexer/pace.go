package indexer

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"time"
)

// pace makes work that nobody waits for leave the machine to others: it takes
// at most a quarter of the time, and rests longer while others wait for a
// processor or the disk.
type pace struct {
	pressure func(resource string) float64
}

const (
	paceRest = 3 // how much longer it rests than it works
	// paceSlice is about how long a crew of directories is listed for.
	paceSlice = 20 * time.Millisecond
	// Beyond these shares of time, in percent over the last 10 s, in which
	// somebody waited for it, a resource is wanted by others: its own reads add a
	// little to the disk's.
	paceIO, paceCPU = 25, 50
	// paceLook is how often it looks whether it may go on, and paceLooks how
	// often in vain: it must end some day on a machine that is always busy.
	paceLook  = time.Second
	paceLooks = 10
)

// rest returns when work that took as long may go on, or with ctx's error.
func (p *pace) rest(ctx context.Context, worked time.Duration) error {
	if err := sleep(ctx, paceRest*worked); err != nil {
		return err
	}
	for range paceLooks {
		if !p.wanted() {
			break
		}
		if err := sleep(ctx, paceLook); err != nil {
			return err
		}
	}
	return nil
}

// yield is rest for work that somebody waits for: it goes on at once on a machine
// that nobody else wants.
func (p *pace) yield(ctx context.Context, worked time.Duration) error {
	if !p.wanted() {
		return context.Cause(ctx)
	}
	return sleep(ctx, paceRest*worked)
}

// wanted reports whether others wait for the machine.
func (p *pace) wanted() bool {
	return p.pressure("io") >= paceIO || p.pressure("cpu") >= paceCPU
}

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

// pressure returns the share of the last 10 s, in percent, in which some task
// waited for a resource; 0 where the kernel does not tell.
func pressure(resource string) float64 {
	b, err := os.ReadFile("/proc/pressure/" + resource)
	if err != nil {
		return 0
	}
	return parsePressure(b)
}

// parsePressure reads "some avg10=1.23 avg60=…", as the kernel's
// Documentation/accounting/psi.rst has it.
func parsePressure(b []byte) float64 {
	_, rest, _ := bytes.Cut(b, []byte("some avg10="))
	num, _, _ := bytes.Cut(rest, []byte(" "))
	v, err := strconv.ParseFloat(string(num), 64)
	if err != nil || !(v >= 0 && v <= 100) {
		return 0
	}
	return v
}
