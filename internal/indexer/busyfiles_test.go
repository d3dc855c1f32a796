package indexer

import (
	"fmt"
	"testing"
	"time"
)

// A file written ten times a second is checked after 0, 1, 2, 4 … s and then once a
// minute. After it has been quiet for a while, the next change is read immediately.
func TestBackoff(t *testing.T) {
	b := busyFiles{files: make(map[string]*busyFile)}
	begun := time.Unix(1000, 0)
	var looks []int
	for tenth := range 3000 {
		now := begun.Add(time.Duration(tenth) * time.Second / 10)
		look := func(dir, name string) {
			if dir != "/d" || name != "f" {
				t.Errorf("%s %s", dir, name)
			}
			looks = append(looks, tenth/10)
		}
		b.take(now, false, look)
		if b.noteChange("/d", "f", now) {
			look("/d", "f")
		}
	}
	if got := fmt.Sprint(looks); got != "[0 1 3 7 15 31 63 123 183 243]" {
		t.Error(got)
	}
	if due, ok := b.next(); !ok || !due.Equal(begun.Add(303*time.Second)) {
		t.Error(due, ok)
	}
	n := 0
	b.take(begun.Add(300*time.Second), true, func(string, string) { n++ })
	if _, ok := b.next(); ok || n != 1 {
		t.Errorf("%d looks when all are asked for, and more to come: %v", n, ok)
	}
	quiet := begun.Add(time.Hour)
	if !b.noteChange("/d", "f", quiet) || b.noteChange("/d", "f", quiet.Add(time.Second/2)) {
		t.Error("after an hour it is not as new")
	}
	b.take(quiet.Add(time.Second), false, func(string, string) { n++ })
	if n != 2 {
		t.Errorf("%d looks", n)
	}
}

// Files that are written at the same time are soon read together.
func TestBackoffTogether(t *testing.T) {
	b := busyFiles{files: make(map[string]*busyFile)}
	begun := time.Unix(1000, 0)
	looks := 0
	var moments []time.Duration
	for tick := range 60 * 60 * 10 {
		now := begun.Add(time.Duration(tick) * time.Second / 10)
		before := looks
		b.take(now, false, func(string, string) { looks++ })
		for i := range 3 {
			if tick >= 5*i && b.noteChange("/d", fmt.Sprint(i), now) {
				looks++
			}
		}
		if looks > before {
			moments = append(moments, now.Sub(begun))
		}
	}
	if len(moments) > 75 || looks < 3*60 {
		t.Errorf("%d looks at %d moments of an hour: %v", looks, len(moments), moments)
	}
}

func TestBackoffIsBounded(t *testing.T) {
	b := busyFiles{files: make(map[string]*busyFile)}
	now := time.Unix(1000, 0)
	for i := range 3 * busyMax {
		if !b.noteChange("/d", fmt.Sprint(i), now) {
			t.Fatal("a first change was put off")
		}
	}
	if len(b.files) != busyMax {
		t.Errorf("%d files", len(b.files))
	}
	b.noteChange("/d", "new", now.Add(time.Hour))
	if len(b.files) != 1 {
		t.Errorf("%d files are remembered an hour later", len(b.files))
	}
}
