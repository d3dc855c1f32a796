package mounts

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// FuzzMountinfo parses arbitrary input as mountinfo: one mount per line, or an error.
func FuzzMountinfo(f *testing.F) {
	f.Add([]byte("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"))
	f.Add([]byte("25 1 0:22 / /a\\040b\\011\\134 rw shared:7 - fuse.x y\\012 rw\n26 25 0:5 / /c rw - proc  rw\n"))
	if b, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parse(bytes.NewReader(text))
		if err != nil {
			return
		}
		lines := 0
		for line := range bytes.Lines(text) {
			if len(line) <= maxLine {
				lines++
			}
		}
		if len(all) != lines {
			t.Fatalf("%d mounts in %d lines", len(all), lines)
		}
		table, err := Parse(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			m := &all[i]
			if !strings.HasPrefix(m.Point, "/") || unescape(t, escape(m.Point)) != m.Point {
				t.Fatalf("%+v", m)
			}
			if at := table.At(m.Point); at != nil && at.Point != m.Point {
				t.Fatalf("at %q is %+v", m.Point, at)
			}
			inside := m.Point + "/x"
			if c := table.Containing(inside); c != nil && !Within(inside, c.Point) {
				t.Fatalf("%q is said to be in %+v", inside, c)
			}
			table.Through(inside)
			table.Under(m.Point)
			if len(all) < 20 {
				table.Alias(m, func(string) bool { return true })
				table.Duplicates(m, func(string) bool { return true })
			}
		}
	})
}
