package plan

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"indexd/internal/query"
	"indexd/listing"
)

// columns returns plausible names of n entries, 12 in each directory.
func columns(n int) [][]byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	words := []string{"main", "README", "index", "lib", "test", "Makefile", "util", "config", "data", "img", "report", "x", "über"}
	exts := []string{".go", ".c", ".h", ".md", ".txt", ".png", ".js", "", ".tar.gz"}
	var cols [][]byte
	for range n / 12 {
		var b []byte
		for range 12 {
			b = fmt.Appendf(b, "%s_%x%s\x00", words[rnd.IntN(len(words))], rnd.IntN(1<<16), exts[rnd.IntN(len(exts))])
		}
		cols = append(cols, b)
	}
	return cols
}

// scanColumn does what package exec does if names decide.
func scanColumn(m *Matcher, dir string, col []byte) int {
	switch m.Enter(dir, 3) {
	case query.True:
		return bytes.Count(col, []byte{0})
	case query.False:
		return 0
	}
	found := 0
	for at := 0; at < len(col); {
		k := m.Next(col, at)
		if k < 0 {
			break
		}
		at = bytes.LastIndexByte(col[at:k], 0) + 1 + at
		end := k + bytes.IndexByte(col[k:], 0)
		if m.Name(view(col[at:end]), listing.Unknown) == query.True {
			found++
		}
		at = end + 1
	}
	return found
}

// countIn does what package exec does to count.
func countIn(m *Matcher, dir string, col []byte) int {
	switch m.Enter(dir, 3) {
	case query.True:
		return bytes.Count(col, []byte{0})
	case query.False:
		return 0
	}
	n, ok := m.Count(col)
	if !ok {
		panic("not counted")
	}
	return n
}

// benchmark runs find on columns of 120,000 names in all.
func benchmark(b *testing.B, p *Plan, cols [][]byte, find func(m *Matcher, dir string, col []byte) int) {
	m := p.NewMatcher()
	b.ReportAllocs()
	found := 0
	start := cpuTime(b)
	for b.Loop() {
		found = 0
		for _, col := range cols {
			found += find(m, "/home/user/src/project", col)
		}
	}
	b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N)/120_000, "cpu-ns/name")
	b.ReportMetric(float64(found), "found")
}

func BenchmarkCount(b *testing.B) {
	cols := columns(120_000)
	for _, c := range []struct {
		query string
		mode  query.Case
	}{
		{"e", ""}, {"e", query.CaseSensitive}, {"z", ""}, {"k", ""}, {"zq7", ""}, {"readme", ""}, {"README", ""}, {"*.go", ""}, {"*.go", query.CaseSensitive},
		{"path:.go", ""}, {"path:.go", query.CaseSensitive}, {"path:q", query.CaseSensitive}, {"ext:go", ""}, {"ext:go,c,h", ""}, {"главный", ""},
	} {
		b.Run(c.query+"/"+string(c.mode), func(b *testing.B) {
			p, err := Compile(&query.Request{Terms: []string{c.query}, Case: c.mode})
			if err != nil {
				b.Fatal(err)
			}
			benchmark(b, p, cols, countIn)
		})
	}
}

func BenchmarkScan(b *testing.B) {
	cols := columns(120_000)
	for _, q := range []string{
		"e", "zq7", "readme", "README", "*.go", "src/*.go", "re:\\.go$", "re:[0-9]x[0-9]", "ext:go,c,h", "path:.go", "главный", "a?*b", "main OR readme OR png",
	} {
		b.Run(q, func(b *testing.B) {
			p, err := Compile(&query.Request{Terms: []string{q}})
			if err != nil {
				b.Fatal(err)
			}
			benchmark(b, p, cols, scanColumn)
		})
	}
}
