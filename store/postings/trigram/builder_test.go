package trigram_test

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"indexd/store/postings/trigram"
)

// A full Builder, of as many trigrams a document as names have, keeps to its memory.
func TestBuilderMemory(t *testing.T) {
	const pairs = 5_000_000
	r := rand.New(rand.NewPCG(1, 1))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b := trigram.NewBuilder()
	const letters = 36
	name := make([]byte, 0, 128)
	for range trigram.MaxDocs {
		name = name[:0]
		for range pairs/trigram.MaxDocs + 2 {
			// Some trigrams are of most documents, the most of few.
			name = append(name, byte('A'+r.IntN(letters)*r.IntN(letters)/letters))
		}
		b.Add(name)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	held := int(after.HeapAlloc) - int(before.HeapAlloc)
	t.Logf("held %d KiB, Size %d KiB", held>>10, b.Size()>>10)
	if most := 24 << 20; b.Size() > most || held > most {
		t.Errorf("holds %d bytes and says %d, want at most %d", held, b.Size(), most)
	}
	runtime.KeepAlive(b)
}

func TestBuilderFull(t *testing.T) {
	b := trigram.NewBuilder()
	for range trigram.MaxDocs {
		b.Add([]byte("abc\x00"))
	}
	src := b.Source()
	if _, ok := src.Next(); !ok {
		t.Fatal("no list")
	}
	docs := src.Docs(nil)
	if len(docs) != trigram.MaxDocs || docs[len(docs)-1] != trigram.MaxDocs-1 || !slices.IsSorted(docs) {
		t.Fatalf("%d documents, the last %d", len(docs), docs[len(docs)-1])
	}
	defer func() {
		if recover() == nil {
			t.Error("one more did not panic")
		}
	}()
	b.Add(nil)
}
