package trigram_test

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"indexd/store/postings/trigram"
)

// corpus gives the documents that the benchmarks measure: those of the directories
// below TRIGRAM_TREE, but for /proc, /sys and /dev, else generated ones.
var corpus = sync.OnceValue(func() [][]byte {
	root := os.Getenv("TRIGRAM_TREE")
	if root == "" {
		return documents(rand.New(rand.NewPCG(1, 1)), 20_000)
	}
	var docs [][]byte
	places := map[string]int{}
	filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if path != root {
			i := places[filepath.Dir(path)]
			docs[i] = append(append(docs[i], filepath.Base(path)...), 0)
		}
		if e.IsDir() {
			if slices.Contains([]string{"/proc", "/sys", "/dev"}, path) {
				return fs.SkipDir
			}
			places[path] = len(docs)
			docs = append(docs, nil)
		}
		return nil
	})
	return docs[:min(len(docs), trigram.MaxDocs)]
})

// pairs returns how many numbers there are in all lists.
func pairs(src trigram.Source) (lists, pairs int) {
	var docs []uint16
	for {
		if _, ok := src.Next(); !ok {
			return lists, pairs
		}
		docs = src.Docs(docs[:0])
		lists++
		pairs += len(docs)
	}
}

func BenchmarkBuild(b *testing.B) {
	docs := corpus()
	held, entries := 0, 0
	for _, d := range docs {
		entries += bytes.Count(d, []byte{0})
	}
	b.ResetTimer()
	for b.Loop() {
		held = build(docs).Size()
	}
	lists, n := pairs(build(docs).Source())
	b.ReportMetric(float64(len(docs)), "docs")
	b.ReportMetric(float64(entries), "entries")
	b.ReportMetric(float64(lists), "lists")
	b.ReportMetric(float64(n), "pairs")
	b.ReportMetric(float64(held)/float64(n), "heldB/pair")
}

// BenchmarkSource reads the lists that were built.
func BenchmarkSource(b *testing.B) {
	docs := corpus()
	for b.Loop() {
		b.StopTimer()
		built := build(docs)
		b.StartTimer()
		pairs(built.Source())
	}
}

func BenchmarkPack(b *testing.B) {
	docs := corpus()
	entries, size, pages := 0, 0, 0
	for _, d := range docs {
		entries += bytes.Count(d, []byte{0})
	}
	for b.Loop() {
		b.StopTimer()
		built := build(docs)
		b.StartTimer()
		size, pages = 0, 0
		for p := trigram.NewPacker(built.Source()); ; {
			_, page, ok := p.Next()
			if !ok {
				break
			}
			size += len(page)
			pages++
		}
	}
	_, n := pairs(build(docs).Source())
	b.ReportMetric(float64(pages), "pages")
	b.ReportMetric(float64(size)/float64(n), "B/pair")
	b.ReportMetric(float64(size)/float64(entries), "B/entry")
}

func BenchmarkMerge(b *testing.B) {
	docs := corpus()
	var parts [8]paged
	to := make([][]int32, len(parts))
	for i := range parts {
		var part [][]byte
		for d := i; d < len(docs); d += len(parts) {
			part = append(part, docs[d])
			to[i] = append(to[i], int32(d))
		}
		parts[i] = pack(b, build(part).Source())
	}
	for b.Loop() {
		sources := make([]trigram.Source, len(parts))
		for i := range parts {
			sources[i] = parts[i].unpack()
		}
		for p := trigram.NewPacker(trigram.Merge(sources, to)); ; {
			if _, _, ok := p.Next(); !ok {
				break
			}
		}
	}
}

// BenchmarkFind looks, each time in another page, for lists of a number or two, of some
// and of many.
func BenchmarkFind(b *testing.B) {
	p := pack(b, build(corpus()).Source())
	type place struct {
		page []byte
		t    trigram.T
	}
	for _, c := range []struct {
		name        string
		least, most int
	}{{"1", 1, 2}, {"100", 80, 120}, {"1000", 700, 1400}, {"most", 3000, 1 << 16}} {
		b.Run(c.name, func(b *testing.B) {
			var places []place
			for _, page := range p.pages {
				u := paged{pages: [][]byte{page}}.unpack()
				for t, ok := u.Next(); ok; t, ok = u.Next() {
					if n := len(u.Docs(nil)); n >= c.least && n <= c.most {
						places = append(places, place{page, t})
					}
				}
			}
			if len(places) == 0 {
				b.Skip("no such list")
			}
			rand.New(rand.NewPCG(1, 1)).Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
			var docs []uint16
			n, i := 0, 0
			for b.Loop() {
				docs, _, _ = trigram.Find(places[i].page, places[i].t, docs[:0])
				n += len(docs)
				if i++; i == len(places) {
					i = 0
				}
			}
			b.ReportMetric(float64(n)/float64(b.N), "numbers")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/number")
		})
	}
}

func BenchmarkLen(b *testing.B) {
	p := pack(b, build(corpus()).Source())
	i := 0
	for b.Loop() {
		trigram.Len(p.pages[i], p.marks[i].T+1)
		if i++; i == len(p.pages) {
			i = 0
		}
	}
}

// The names of a directory in other cases are the same to the lists.
func BenchmarkAddScripts(b *testing.B) {
	names := []byte(strings.Repeat("Übersicht-Äpfel.TXT\x00Файл-документ\x00", 200))
	b.SetBytes(int64(len(names)))
	built := trigram.NewBuilder()
	for b.Loop() {
		if built.Docs() == trigram.MaxDocs {
			built = trigram.NewBuilder()
		}
		built.Add(names)
	}
}
