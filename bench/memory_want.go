package main

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"hash/maphash"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"indexd/internal/testutil/synth"
	"indexd/listing"
)

// question is a request to indexctl over the synthetic database. The right answer is
// determined by testing each generated entry.
type question struct {
	name  string
	args  []string
	match func(e *made) bool    // whether it is in the answer
	first func(a, b *made) int  // with limit: which of two comes first
	limit int                   // 0: none
	order func(a, b string) int // without limit: of two paths, which comes first
	want  tally                 // all that match
	list  []made                // with limit: the first of them, in order when all is known
	last  *made                 // the last of so many; nil: there are less
	in    bool                  // everything in a subtree, of which want chooses one
}

// made is an entry of the synthetic tree.
type made struct {
	path, name string
	size       int64
	mtime      listing.Time
	kind       listing.Type
}

// tally is a number of paths and the sum of their hashes.
type tally struct {
	n   int64
	sum uint64
}

var seed = maphash.MakeSeed()

func (t *tally) add(path string) { t.n++; t.sum += maphash.String(seed, path) }

// counts reports whether only the number is requested.
func (q *question) counts() bool { return slices.Contains(q.args, "-c") }

// questions contains one request of each kind.
func questions() []*question {
	has := func(part string) func(*made) bool {
		return func(e *made) bool { return strings.Contains(strings.ToLower(e.name), part) }
	}
	is := func(re string) func(*made) bool {
		r := regexp.MustCompile("(?i)" + re)
		return func(e *made) bool { return r.MatchString(e.name) }
	}
	larger := func(size int64) func(*made) bool { return func(e *made) bool { return e.size > size } }
	all := func(*made) bool { return true }
	const literals = `^kernel[-_].*python\.json$`
	return []*question{
		{name: "a rare word, count", args: []string{"find", "-c", rare}, match: has(rare)},
		{name: "a rare word", args: []string{"find", "-0", rare}, match: has(rare), order: byDir},
		{name: "`readme`, count", args: []string{"find", "-c", "readme"}, match: has("readme")},
		{name: "`readme`", args: []string{"find", "-0", "readme"}, match: has("readme"), order: byDir},
		{name: "`a`, count", args: []string{"find", "-c", "a"}, match: has("a")},
		{name: "`kernel-[0-9]*.?js`, count", args: []string{"find", "-c", "kernel-[0-9]*.?js"}, match: is(`^kernel-[0-9].*\..js$`)},
		{name: "regex with literals", args: []string{"find", "-0", "-r", literals}, match: is(literals), order: byDir},
		{name: "regex without literals, count", args: []string{"find", "-c", "-r", worst}, match: is(worst)},
		{name: "directories, count", args: []string{"find", "-c", "-t", "d"}, match: func(e *made) bool { return e.kind == listing.Dir }},
		{name: "`size:>1G`, count", args: []string{"find", "-c", "size:>1G"}, match: larger(1 << 30)},
		{name: "`size:>8G`", args: []string{"find", "-0", "-S", "+8G"}, match: larger(8 << 30), order: byDir},
		{name: "`--sort size -n 20`", args: []string{"find", "-0", "--sort", "size", "-n", "20"}, match: all, first: largest, limit: 20},
		{name: "`--sort mtime -n 1000`", args: []string{"find", "-0", "--sort", "mtime", "-n", "1000"}, match: all, first: newest, limit: 1000},
		{name: "`--sort size -n 100000`", args: []string{"find", "-0", "--sort", "size", "-n", "100000"}, match: all, first: largest, limit: 100_000},
		{name: "`locate -c kernel-python`", args: []string{"locate", "-c", "kernel-python"}, match: func(e *made) bool { return strings.Contains(e.path, "kernel-python") }},
		{name: "`locate -b 'IMG_2023*9.jpg'`", args: []string{"locate", "-0", "-b", "IMG_2023*9.jpg"}, match: is(`^IMG_2023.*9\.jpg$`), order: byDir},
		{name: "a subtree, everything", args: []string{"find", "-0", "--in"}, in: true, order: byDir},
		{name: "everything", args: []string{"find", "-0"}, match: all, order: byDir},
		{name: "everything, `--sort path`", args: []string{"find", "-0", "--sort", "path"}, match: all, order: byPath},
		{name: "everything, `--sort name`", args: []string{"find", "-0", "--sort", "name"}, match: all, order: byName},
	}
}

// byDir is the default order: directories by path, and their entries by name.
func byDir(a, b string) int {
	i, j := strings.LastIndexByte(a, '/'), strings.LastIndexByte(b, '/')
	return cmp.Or(byPath(a[:i], b[:j]), cmp.Compare(a[i:], b[j:]))
}

// byPath compares component by component.
func byPath(a, b string) int {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	switch {
	case i == len(a) || i == len(b):
		return cmp.Compare(len(a), len(b))
	case a[i] == '/':
		return -1
	case b[i] == '/':
		return 1
	}
	return cmp.Compare(a[i], b[i])
}

func byName(a, b string) int {
	return cmp.Or(cmp.Compare(a[strings.LastIndexByte(a, '/'):], b[strings.LastIndexByte(b, '/'):]), byPath(a, b))
}

func largest(a, b *made) int { return cmp.Or(cmp.Compare(b.size, a.size), byPath(a.path, b.path)) }

func newest(a, b *made) int {
	return cmp.Or(cmp.Compare(b.mtime.Sec, a.mtime.Sec), cmp.Compare(b.mtime.Nsec, a.mtime.Nsec), byPath(a.path, b.path))
}

// want determines the right answers by testing every entry below root, and returns their
// number too.
func (b *bench) want(root string) (list []*question, entries int64, err error) {
	list = questions()
	tops := make(map[string]*tally) // what is in each of root's directories
	look := func(rel string, e *listing.Entry) {
		dir := root
		if rel != "" {
			dir += "/" + rel
		}
		m := made{path: dir + "/" + e.Name, name: e.Name, size: e.Size, mtime: e.Mtime, kind: e.Type()}
		if top, _, _ := strings.Cut(rel, "/"); top != "" {
			if tops[top] == nil {
				tops[top] = new(tally)
			}
			tops[top].add(m.path)
		}
		entries++
		for _, q := range list {
			q.see(&m)
		}
	}
	for rel, l := range (synth.Tree{Seed: 1, Entries: b.synth}).Listings() {
		if err := b.ctx.Err(); err != nil {
			return nil, 0, err
		}
		for i := range l.Entries {
			look(rel, &l.Entries[i])
		}
	}
	for rel, l := range rareListings(1) {
		for i := range l.Entries {
			look(path.Join("rare1", rel), &l.Entries[i])
		}
	}
	for _, q := range list {
		q.prune()
		if q.in { // the one with about a tenth of all
			off := func(t *tally) int64 { return max(t.n-int64(b.synth/10), int64(b.synth/10)-t.n) }
			best := ""
			for top, t := range tops {
				if best == "" || off(t) < off(tops[best]) {
					best = top
				}
			}
			q.args, q.want = append(q.args, root+"/"+best), *tops[best]
		}
	}
	return list, entries, nil
}

// see adds an entry, if it matches.
func (q *question) see(m *made) {
	if q.in || !q.match(m) {
		return
	}
	q.want.add(m.path)
	if q.limit == 0 || q.last != nil && q.first(m, q.last) > 0 {
		return
	}
	if q.list = append(q.list, *m); len(q.list) == 2*q.limit {
		q.prune()
	}
}

// prune drops what is beyond the limit.
func (q *question) prune() {
	slices.SortFunc(q.list, func(a, b made) int { return q.first(&a, &b) })
	if q.limit > 0 && len(q.list) >= q.limit {
		q.list = q.list[:q.limit]
		last := q.list[q.limit-1]
		q.last = &last
	}
}

// finds returns the number of results.
func (q *question) finds() int64 {
	if q.limit > 0 {
		return int64(len(q.list))
	}
	return q.want.n
}

// check reads an answer and returns what is wrong with it.
func (q *question) check(r io.Reader) (wrong, err error) {
	if q.counts() {
		text, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err != nil || n != q.want.n {
			return fmt.Errorf("%.100q is said, %d there are", text, q.want.n), nil
		}
		return nil, nil
	}
	var got tally
	last := ""
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	in.Split(func(data []byte, _ bool) (int, []byte, error) {
		if i := bytes.IndexByte(data, 0); i >= 0 {
			return i + 1, data[:i], nil
		}
		return 0, nil, nil
	})
	for in.Scan() {
		path := in.Text()
		switch {
		case wrong != nil:
		case q.limit > 0:
			if got.n >= int64(len(q.list)) || path != q.list[got.n].path {
				wrong = fmt.Errorf("%q is number %d", path, got.n)
			}
		case last != "" && q.order(last, path) >= 0:
			wrong = fmt.Errorf("%q comes before %q", last, path)
		}
		got.add(path)
		last = path
	}
	want := q.want
	if q.limit > 0 {
		want = tally{n: int64(len(q.list)), sum: got.sum} // each was compared
	}
	if wrong == nil && got != want {
		wrong = fmt.Errorf("%d are given, %d there are, or some of them are others", got.n, want.n)
	}
	return wrong, in.Err()
}
