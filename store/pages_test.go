package store_test

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"os"
	"runtime"
	"testing"

	"indexd/store"
)

// TestPageThatGoesOn: of a page that says that it goes on through all that is behind it
// no more is read than what it says it holds can take.
func TestPageThatGoesOn(t *testing.T) {
	path := filled(t)
	b := read(t, path)
	order := binary.NativeEndian
	const page, header, pages = 4096, 16, 40_000
	meta := func(i int) []byte { return b[i*page+header:][:64] }
	now := 0
	if order.Uint64(meta(1)[48:]) > order.Uint64(meta(0)[48:]) {
		now = 1
	}
	last := 0
	for i := range int(order.Uint64(meta(now)[40:])) {
		if flags := order.Uint16(b[i*page+8:]); order.Uint64(b[i*page:]) == uint64(i) && flags&3 != 0 && i > last {
			last = i
		}
	}
	order.PutUint64(meta(now)[40:], pages)
	sum := fnv.New64a()
	sum.Write(meta(now)[:56])
	order.PutUint64(meta(now)[56:], sum.Sum64())
	order.PutUint32(b[last*page+12:], uint32(pages-1-last))
	if err := errors.Join(os.WriteFile(path, b, 0o600), os.Truncate(path, pages*page)); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := store.VerifyFile(t.Context(), path, nil, nil)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, store.ErrDamaged) {
		t.Errorf("page %d: %v", last, err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > pages*page/4 {
		t.Errorf("it took %d bytes to see that a page is damaged", n)
	}
}
