package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"
)

// side is one of the things that are measured in turn.
type side struct {
	name string
	run  func() (time.Duration, error)
}

// inTurn runs the sides in turn, n times after one that is not counted. If one of them
// takes more than 0.1 s, it runs them as often as there are pairs.
func (b *bench) inTurn(n int, all ...side) ([][]time.Duration, error) {
	times := make([][]time.Duration, len(all))
	for i := 0; i <= n; i++ {
		for k, s := range all {
			if err := b.ctx.Err(); err != nil {
				return nil, err
			}
			d, err := s.run()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if d > 100*time.Millisecond {
				n = min(n, b.pairs)
			}
			if i > 0 {
				times[k] = append(times[k], d)
			}
		}
	}
	return times, nil
}

// ratio returns the median of the ratios of pairs.
func ratio[T time.Duration | float64](ours, theirs []T) float64 {
	var ratios []float64
	for i := range min(len(ours), len(theirs)) {
		ratios = append(ratios, float64(ours[i])/float64(theirs[i]))
	}
	return median(ratios)
}

// compare prints the medians of the sides and the ratios of the first to the others.
func (b *bench) compare(ours side, theirs ...side) error {
	all := append([]side{ours}, theirs...)
	times, err := b.inTurn(b.pairs, all...)
	if err != nil {
		return err
	}
	fmt.Println("| | median | least | ours / it |")
	fmt.Println("| --- | --- | --- | --- |")
	for k, s := range all {
		r := "1"
		if k > 0 {
			r = fmt.Sprintf("**%.3g**", ratio(times[0], times[k]))
		}
		fmt.Printf("| %s | %s | %s | %s |\n", s.name, show(median(times[k])), show(slices.Min(times[k])), r)
	}
	return nil
}

func median[T time.Duration | float64](list []T) T {
	s := slices.Sorted(slices.Values(list))
	return s[len(s)/2]
}

func show(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d)/1e3)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.0f ms", float64(d)/1e6)
}

// command is a side that is a whole process, whose output goes through a pipe and is
// discarded.
func (b *bench) command(name string, args ...string) side {
	return side{name: name, run: func() (time.Duration, error) {
		return timed(exec.CommandContext(b.ctx, args[0], args[1:]...))
	}}
}

// timed runs a command and discards its output through a pipe.
func timed(cmd *exec.Cmd) (time.Duration, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		return 0, err
	}
	err = cmd.Wait()
	took := time.Since(start)
	// 1 means that find met an unreadable or vanished directory.
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		err = nil
	}
	return took, err
}

// installed returns the path of the first of the names that exists. If none does, the
// peer is left out with a note.
func installed(names ...string) (string, bool) {
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p, true
		}
	}
	fmt.Fprintf(os.Stderr, "%s is not installed: left out\n", names[0])
	return "", false
}
