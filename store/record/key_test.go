package record

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// somePath returns a clean relative path of up to 5 components, of bytes that
// matter for the order.
func somePath(r *rand.Rand) string {
	parts := make([]string, r.IntN(6))
	for i := range parts {
		b := make([]byte, 1+r.IntN(3))
		for j := range b {
			b[j] = "\x01\x02-.ab\xff"[r.IntN(7)]
		}
		parts[i] = string(b)
	}
	return strings.Join(parts, "/")
}

func components(rel string) []string {
	if rel == "" {
		return nil
	}
	return strings.Split(rel, "/")
}

func TestKeyRoundTrip(t *testing.T) {
	r := seeded(t)
	for range 5000 {
		v, rel := Volume(r.Uint32()), somePath(r)
		k := MakeKey(v, rel)
		parts := components(rel)
		if k.Volume() != v || k.Rel() != rel || k.Depth() != len(parts) || k.IsRoot() != (rel == "") {
			t.Fatalf("%d:%q is %d:%q, depth %d", v, rel, k.Volume(), k.Rel(), k.Depth())
		}
		built := MakeKey(v, "")
		for _, p := range parts {
			parent := built
			built = built.Child(p)
			if dir, name, ok := built.Parent(); !ok || !dir.Equal(parent) || name != p {
				t.Fatalf("parent of %v is %v, %q, %v", built, dir, name, ok)
			}
		}
		if !built.Equal(k) {
			t.Fatalf("%q is not %q", built, k)
		}
		if dir, first, is := SplitChunk(k); is || first != "" || !dir.Equal(k) {
			t.Fatalf("%q was taken for a chunk", k)
		}
		first := "n" + strings.ReplaceAll(somePath(r), "/", "")
		if dir, got, is := SplitChunk(k.Chunk(first)); !is || got != first || !dir.Equal(k) {
			t.Fatalf("chunk %q of %q is %v: %q of %q", first, k, is, got, dir)
		}
	}
	if _, _, ok := MakeKey(7, "").Parent(); ok {
		t.Error("a root has a parent")
	}
}

// Keys come in path order, component by component, and a subtree is one range.
func TestKeyOrder(t *testing.T) {
	r := seeded(t)
	for range 20000 {
		va, vb := Volume(r.IntN(3)), Volume(r.IntN(3)<<8)
		pa, pb := somePath(r), somePath(r)
		a, b := MakeKey(va, pa), MakeKey(vb, pb)
		want := int(va) - int(vb)
		if want == 0 {
			want = slices.Compare(components(pa), components(pb))
		}
		if got := a.Compare(b); (got < 0) != (want < 0) || (got > 0) != (want > 0) {
			t.Fatalf("%v and %v: %d, not %d", a, b, got, want)
		}
		under := va == vb && (pb == "" || pa == pb || strings.HasPrefix(pa, pb+"/"))
		in := a.Compare(b) >= 0 && a.Compare(b.SubtreeEnd()) < 0
		if a.Within(b) != under || in != under {
			t.Fatalf("%v within %v: %v, in the range %v", a, b, a.Within(b), in)
		}
		// Chunks stand between a directory and its children.
		chunk := b.Chunk("\xff\xff")
		if chunk.Compare(b) <= 0 || chunk.Compare(b.Chunk("")) <= 0 || chunk.Compare(b.ChunksEnd()) >= 0 || b.Child("\x01").Compare(b.ChunksEnd()) < 0 {
			t.Fatalf("chunks of %v are out of place", b)
		}
	}
}

func TestKeyTooLong(t *testing.T) {
	rel := strings.Repeat("d/", (MaxKey-4)/2) + "d"
	k := MakeKey(1, rel)
	if err := k.Valid(); err != nil || len(k.Chunk(strings.Repeat("n", 255))) > MaxRawKey {
		t.Errorf("%d bytes: %v", len(k), err)
	}
	if err := MakeKey(1, rel+"/ddd").Valid(); err != ErrKeyTooLong {
		t.Error(err)
	}
}

// Making a key of a key does not write over another one made of it.
func TestKeysAreTheirOwn(t *testing.T) {
	k := append(make(Key, 0, 100), MakeKey(1, "a")...)
	b := append(k, "\x00child"...)
	for _, made := range []Key{k.Child("x"), k.Chunk("x"), k.SubtreeEnd(), k.ChunksEnd()} {
		if len(made) <= len(k) || !bytes.HasSuffix(b, []byte("\x00child")) {
			t.Fatalf("%q became %q", made, b)
		}
	}
}

func FuzzSplitChunk(f *testing.F) {
	f.Add([]byte(MakeKey(1, "a/b")), "c")
	f.Add([]byte("\x00\x00\x00\x00x"), "y")
	f.Fuzz(func(t *testing.T, raw []byte, name string) {
		if len(raw) < 2 {
			return
		}
		dir, first, is := SplitChunk(raw)
		if is && !bytes.Equal(dir.Chunk(first), raw) || !is && !bytes.Equal(dir, raw) {
			t.Fatalf("%q is %q and %q", raw, dir, first)
		}
		k := Key(raw)
		_, _, _, _ = k.Rel(), k.Depth(), k.Within(dir), k.String()
		k.Parent()
		if name != "" && !strings.ContainsRune(name, 0) {
			if got, first, is := SplitChunk(k.Chunk(name)); !is || first != name || !got.Equal(k) {
				t.Fatalf("%q in %q is %q in %q", name, k, first, got)
			}
		}
	})
}
