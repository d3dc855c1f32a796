package logthrottle

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Logger
		var got []int
		happens := func(times int, want ...int) {
			t.Helper()
			for range times {
				l.Log(func(n int) { got = append(got, n) })
			}
			synctest.Wait()
			l.mu.Lock() // the logger appends under its lock
			defer l.mu.Unlock()
			if !slices.Equal(got, want) {
				t.Fatalf("said %v, not %v", got, want)
			}
		}
		happens(1, 1)
		happens(1000, 1)
		time.Sleep(Interval + time.Second)
		happens(0, 1, 1000)
		happens(3, 1, 1000)
		time.Sleep(Interval)
		happens(0, 1, 1000, 3)
		time.Sleep(2 * Interval)
		happens(1, 1, 1000, 3, 1) // after a quiet time at once
		happens(2, 1, 1000, 3, 1)
		l.Stop()
		happens(0, 1, 1000, 3, 1, 2)
		happens(1, 1, 1000, 3, 1, 2)
		l.Stop()
	})
}
