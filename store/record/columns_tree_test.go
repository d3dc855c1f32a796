package record

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"indexd/listing"
	"indexd/store/internal/codec"
)

// treeRoot is the tree that sizes and times are measured on: all of the
// directory in INDEXD_TREE, else the first part of /usr. The walk stays on its
// file system.
func treeRoot() (root string, atMost int) {
	if root := os.Getenv("INDEXD_TREE"); root != "" {
		return root, math.MaxInt
	}
	return "/usr", 30000
}

type treeListing struct {
	path string
	*listing.Listing
}

// realTree lists the tree with the standard library: an independent source.
var realTree = sync.OnceValues(func() ([]treeListing, error) {
	root, left := treeRoot()
	var out []treeListing
	top, err := os.Lstat(root)
	if err != nil {
		return nil, err
	}
	dev := top.Sys().(*syscall.Stat_t).Dev
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil || info.Sys().(*syscall.Stat_t).Dev != dev {
			return fs.SkipDir
		}
		names, err := os.ReadDir(path)
		if err != nil {
			return nil
		}
		l := &listing.Listing{Stamp: uint64(len(out) + 1), Dir: statOf(info), First: true, Last: true}
		l.Dir.Btime = birth(path)
		for _, n := range names {
			if info, err := n.Info(); err == nil {
				l.Entries = append(l.Entries, listing.Entry{Name: n.Name(), Stat: statOf(info)})
			}
		}
		out = append(out, treeListing{path, l})
		if left -= len(l.Entries); left <= 0 {
			return fs.SkipAll
		}
		return nil
	})
	return out, err
})

func statOf(info fs.FileInfo) listing.Stat {
	s := info.Sys().(*syscall.Stat_t)
	return listing.Stat{
		Ino: s.Ino, Size: s.Size, Blocks: s.Blocks,
		Mtime: listing.Time{Sec: s.Mtim.Sec, Nsec: uint32(s.Mtim.Nsec)},
		Ctime: listing.Time{Sec: s.Ctim.Sec, Nsec: uint32(s.Ctim.Nsec)},
		Mode:  s.Mode, UID: s.Uid, GID: s.Gid, Nlink: uint32(s.Nlink),
	}
}

func birth(path string) listing.Time {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BTIME, &st) != nil || st.Mask&unix.STATX_BTIME == 0 {
		return listing.Time{}
	}
	return listing.Time{Sec: st.Btime.Sec, Nsec: st.Btime.Nsec}
}

// treeRecords is the tree as it is stored, in key order.
func treeRecords(tb testing.TB) (tree []treeListing, keys []Key, vals [][]byte, entries int) {
	tb.Helper()
	tree, err := realTree()
	if err != nil || len(tree) < 10 {
		tb.Skipf("no tree to measure: %v", err)
	}
	root, _ := treeRoot()
	now := time.Now()
	doc := uint64(0)
	for _, l := range tree {
		rel := strings.Trim(strings.TrimPrefix(l.path, root), "/")
		key := MakeKey(1, rel)
		p := Encode(l.Listing, nil, nil)
		entries += len(l.Entries)
		doc++
		h := Header{Doc: doc, Stamp: p.Stamp, Listed: now, Dir: p.Dir, TrustTimes: true}
		if len(p.Chunks) == 1 {
			keys, vals = append(keys, key), append(vals, Append(nil, key, &h, &p.Chunks[0].Body))
			continue
		}
		h.Chunked, h.Agg = true, p.Agg
		keys, vals = append(keys, key), append(vals, Append(nil, key, &h, &Body{}))
		for _, c := range p.Chunks {
			doc++
			keys = append(keys, key.Chunk(c.First))
			vals = append(vals, Append(nil, key.Chunk(c.First), &Header{Doc: doc, Stamp: p.Stamp}, &c.Body))
		}
	}
	// One after another in memory, as in the database.
	all := slices.Concat(vals...)
	for i, v := range vals {
		vals[i], all = all[:len(v):len(v)], all[len(v):]
	}
	return tree, keys, vals, entries
}

// TestTreeSize prints what a real tree takes, by column.
func TestTreeSize(t *testing.T) {
	tree, keys, vals, entries := treeRecords(t)
	var total, header, flags, front int
	cols := map[string]int{}
	codes := map[string]int{}
	order := []string{"names", "owners", "inodes", "sizes", "seconds", "nsecs", "blocks", "links", "errnos"}
	for i, v := range vals {
		var r Record
		if err := r.Decode(keys[i], v); err != nil {
			t.Fatal(err)
		}
		total += len(v)
		if err := r.Load(); err != nil {
			t.Fatal(err)
		}
		header += len(v) - len(r.cols)
		if r.Len() == 0 {
			continue
		}
		r.columns()
		if r.bad {
			t.Fatal("bad columns")
		}
		flags++
		cols["names"] += r.first - 1 + len(r.Names())
		in := codec.Reader{B: r.b[:len(r.b)-len(r.Names())], Pos: r.first}
		at := in.Pos
		for i, name := range order[1:] {
			var c column
			switch bit := byte(1 << i); {
			case bit == hasOwners:
				(&owners{}).parse(&in, r.n, r.flags&bit != 0)
			case r.flags&bit != 0:
				c.parse(&in, r.n, 0, bit&(hasInos|hasNsecs) == 0)
				codes[fmt.Sprint(name, " ", [...]string{"plain", "dict", "delta"}[c.code])]++
			case bit == hasInos:
				in.Uvarint()
			}
			cols[name] += in.Pos - at
			at = in.Pos
		}
		prev := ""
		for i := range r.n {
			name := r.Name(i)
			front += len(name) - common(prev, name) + 1
			if common(prev, name) > 15 || len(name)-common(prev, name) > 15 {
				front++
			}
			prev = name
		}
	}
	per := func(n int) string { return fmt.Sprintf("%9d  %6.3f", n, float64(n)/float64(entries)) }
	root, _ := treeRoot()
	t.Logf("%s: %d entries, %d directories, %d records", root, entries, len(tree), len(vals))
	t.Logf("headers  %s  %.1f a record", per(header), float64(header)/float64(len(vals)))
	t.Logf("flags    %s", per(flags))
	for _, c := range order {
		t.Logf("%-8s %s", c, per(cols[c]))
	}
	t.Logf("records  %s", per(total))
	keyBytes := 0
	for _, k := range keys {
		keyBytes += len(k)
	}
	t.Logf("keys     %s", per(keyBytes))
	t.Logf("(names front-coded would be %s)", per(front))
	for _, k := range slices.Sorted(mapKeys(codes)) {
		t.Logf("   %-20s %d", k, codes[k])
	}
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func BenchmarkTree(b *testing.B) {
	tree, keys, vals, entries := treeRecords(b)
	perEntry := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(entries), "ns/entry")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("prepare", func(b *testing.B) { // of what a worker has just made
		b.ReportAllocs()
		for b.Loop() {
			for part := range slices.Chunk(tree, 64) {
				for range 10 {
					for _, l := range part {
						Encode(l.Listing, nil, nil)
					}
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(10*entries), "ns/entry")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("header", func(b *testing.B) {
		var r Record
		for b.Loop() {
			for i, v := range vals {
				r.Decode(keys[i], v)
			}
		}
		perEntry(b)
	})
	b.Run("load", func(b *testing.B) {
		var r Record
		for b.Loop() {
			for i, v := range vals {
				r.Decode(keys[i], v)
				r.Load()
			}
		}
		perEntry(b)
	})
	names := make([][]byte, len(vals))
	for i, v := range vals {
		r, _ := Decode(keys[i], v)
		r.Load()
		names[i] = r.Names()
	}
	b.Run("index", func(b *testing.B) {
		n, lit := 0, []byte("gobuild")
		for b.Loop() {
			for _, v := range names {
				if bytes.Contains(v, lit) {
					n++
				}
			}
		}
		perEntry(b)
	})
	b.Run("entries", func(b *testing.B) {
		var r Record
		n := 0
		for b.Loop() {
			for i, v := range vals {
				r.Decode(keys[i], v)
				r.Load()
				for _, e := range r.All() {
					if e.Size == 1 {
						n++
					}
				}
			}
		}
		perEntry(b)
	})
}
