package plan

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"indexd/internal/query"
	"indexd/internal/testutil/race"
	"indexd/listing"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0: of the clock")

func random(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed %d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

// gen makes random entries and queries out of few pieces, so that queries often match.
type gen struct{ *rand.Rand }

func (g gen) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g gen) piece() string {
	return g.pick("a", "b", "B", "k", "K", "s", "S", ".", ".go", ".Go", "ab", "é", "É", "\u017f", "\u212a", "\xff", "\xc3", "\x89", "\xa9", "-", " ", "x1", "main", "Ж")
}

func (g gen) literal(max int) string {
	var b strings.Builder
	for range 1 + g.IntN(max) {
		b.WriteString(g.piece())
	}
	return b.String()
}

func (g gen) name() string {
	if g.IntN(3) == 0 {
		return g.pick("lib", "src", "main.go", "Main.GO", ".bashrc", "a.tar.gz", "README")
	}
	if s := g.literal(4); s != "." && s != ".." {
		return s
	}
	return "..."
}

func (g gen) dir() string {
	dir := "/"
	for range g.IntN(4) {
		dir = path.Join(dir, g.name())
	}
	return dir
}

func (g gen) entry() *listing.Entry {
	e := &listing.Entry{Name: g.name()}
	e.Mode = uint32([]listing.Type{listing.Dir, listing.Regular, listing.Regular, listing.Symlink, listing.FIFO, listing.Unknown}[g.IntN(6)])<<12 |
		uint32(g.IntN(0o10000))
	e.Size = int64(g.IntN(6)) * int64(g.IntN(3)) * 512
	e.Mtime = listing.Time{Sec: int64(g.IntN(4)), Nsec: uint32(g.IntN(2))}
	e.UID, e.GID = uint32(g.IntN(3)), uint32(g.IntN(3))
	e.Ino, e.Nlink, e.Blocks = g.Uint64N(5), uint32(g.IntN(4)), int64(g.IntN(5))
	if g.IntN(8) == 0 {
		t := e.Type()
		*e = listing.Entry{Name: e.Name, StatErrno: 13}
		e.Mode = uint32(t) << 12
	}
	return e
}

func (g gen) glob(depth int) string {
	var b strings.Builder
	for range 1 + g.IntN(4) {
		switch g.IntN(12) {
		case 0, 1:
			b.WriteString("*")
		case 2:
			b.WriteString("?")
		case 3:
			b.WriteString(g.pick("[ab]", "[!ab]", "[a-c]", "[^Bé]", "[]a]", "[k-s.]", "[[:upper:]x]"))
		case 4:
			if depth < 2 {
				b.WriteString("{" + g.glob(depth+1) + "," + g.glob(depth+1) + g.pick("}", ",}"))
			}
		case 5:
			b.WriteString("**")
		case 6:
			b.WriteString(g.pick("/", "/", "/**/", `\*`, `\a`, `,`))
		default:
			b.WriteString(g.piece())
		}
	}
	return b.String()
}

func (g gen) regex() string {
	var b strings.Builder
	b.WriteString(g.pick("", "", "^", "(?i)"))
	for range 1 + g.IntN(4) {
		s := g.pick("a", "b", "B", "k", "s", `\.`, `\.go`, "main", "é", ".", "(?:.*)", "[ab]", "[^a]", "(a|b)", "(go|c|h)", `\w`, `\S`, "x1", "(?:ab)", "[A-Z]", "/", "(?i:Ma)")
		b.WriteString(s + g.pick("", "", "", "?", "+", "{1,2}"))
	}
	b.WriteString(g.pick("", "", "$", `\z`))
	return b.String()
}

// word returns a text term that can be parsed.
func (g gen) word() string {
	switch g.IntN(8) {
	case 0, 1, 2:
		return g.pick("", "", "name:", "path:") + (&query.Text{Pattern: g.literal(2)}).String()
	case 3:
		return g.pick("", "path:") + (&query.Text{Pattern: g.pick("/", "a/", "src/", "/lib/") + g.literal(1)}).String()
	case 4:
		return (&query.Text{Kind: query.RegexPattern, Pattern: g.regex()}).String()
	}
	parts, err := query.ParseGlob(g.glob(0))
	if err != nil {
		return "*"
	}
	return g.pick("", "path:") + (&query.Text{Kind: query.GlobPattern, Pattern: query.GlobText(parts)}).String()
}

func (g gen) query(depth int) string {
	if depth > 0 && g.IntN(2) == 0 {
		a, b := g.query(depth-1), g.query(depth-1)
		switch g.IntN(4) {
		case 0:
			return "( " + a + " OR " + b + " )"
		case 1:
			return "NOT ( " + a + " )"
		}
		return a + " " + b
	}
	if g.IntN(3) > 0 {
		return g.word()
	}
	return g.pick("type:f", "type:d", "type:x,e", "type:l,e", "size:0", "size:>1k", "size:512..1k", "NOT size:<1k",
		"mtime:@1", "mtime:>=@2", "mtime:<@1", "mtime:@1..@2", "owner:1", "owner:!1:2", "group:0", "perm:-111", "perm:/222", "perm:755",
		"nlink:1", "nlink:>1", "inode:2", "inode:..3", "blocks:0", "blocks:>=1k", "blocks:512..1k", "NOT links:<2",
		"depth:2", "depth:>2", "depth:..1", "in:/", "in:/lib", "in:/src/lib", "ext:go", "ext:go,gz", "ext:tar.gz", "ext:bashrc")
}

// Everything rests on this property: the result of a plan, entered directory by directory and
// scanned by columns, is what the query means.
func TestPlanEqualsNaive(t *testing.T) {
	g := gen{random(t)}
	n := race.Fewer(2500)
	if testing.Short() {
		n = 400
	}
	for range n {
		r := &query.Request{
			Terms:    []string{g.query(3)},
			Case:     query.Case(g.pick("", "", "ignore", "sensitive")),
			FullPath: g.IntN(4) == 0,
		}
		if g.IntN(4) == 0 {
			r.Exclude = []string{g.pick("src", "*.go", "lib/", "/a/**", "src/lib", "[ab]*", "é", "**/lib/*")}
		}
		p, err := Compile(r)
		if err != nil {
			t.Fatalf("%q: %v", r.Terms, err)
		}
		checkPlan(t, g, r, p)
		if t.Failed() {
			return
		}
	}
}

func checkPlan(t *testing.T, g gen, r *query.Request, p *Plan) {
	t.Helper()
	oracle := &naive{mode: r.Case, fullPath: r.FullPath, exclude: r.Exclude}
	m := p.NewMatcher()
	for range 6 {
		dir := g.dir()
		depth := 1 + strings.Count(strings.TrimSuffix(dir, "/"), "/")
		var list []*listing.Entry
		for range 1 + g.IntN(12) {
			list = append(list, g.entry())
		}
		slices.SortFunc(list, func(a, b *listing.Entry) int { return strings.Compare(a.Name, b.Name) })
		list = slices.CompactFunc(list, func(a, b *listing.Entry) bool { return a.Name == b.Name })
		given := dir
		if !p.NeedsPath() {
			given = ""
		}
		here := m.Enter(given, depth)
		below := m.Below()
		fail := func(e *listing.Entry, format string, args ...any) {
			t.Errorf("%q (case %q, full path %v, exclude %q), %q in %q: %s", r.Terms, r.Case, r.FullPath, r.Exclude, e.Name, dir, fmt.Sprintf(format, args...))
		}

		var col []byte
		zone := query.Zone{}
		for i, e := range list {
			col = append(append(col, e.Name...), 0)
			addTo(&zone, e, i == 0)
		}
		matches := 0
		var candidates []string
		for at := 0; at < len(col); {
			k := m.Next(col, at)
			if k < 0 {
				break
			}
			start := at + bytes.LastIndexByte(col[at:k], 0) + 1
			at = k + bytes.IndexByte(col[k:], 0) + 1
			candidates = append(candidates, string(col[start:at-1]))
		}
		for _, e := range list {
			ne := &naiveEntry{dir: dir, depth: depth, e: e, meta: e.StatErrno == 0, empty: query.Truth(g.IntN(3) - 1)}
			want := oracle.match(p.Expr(), ne)
			if want == query.True {
				matches++
			}
			if here != query.Unknown && here != want {
				fail(e, "Enter says %v, want %v", here, want)
			}
			if want == query.True && !slices.Contains(candidates, e.Name) {
				fail(e, "Next passes it over")
			}
			if want == query.True && !p.Zone(&zone) {
				fail(e, "Zone(%+v) is false", zone)
			}
			if got := m.Match(&Row{Entry: e, Empty: ne.empty}); got != (want == query.True) {
				fail(e, "Match(%+v) is %v, want %v", *e, got, want)
			}
			hidden := *ne
			hidden.meta, hidden.empty = false, query.Unknown
			blind := oracle.match(p.Expr(), &hidden)
			if got := m.Match(&Row{Entry: e, NoMeta: true}); got != (blind == query.True) {
				fail(e, "Match without metadata is %v, want %v", got, blind)
			}
			if got := m.Name(e.Name, e.Type()); got != blind {
				fail(e, "Name is %v, want %v", got, blind)
			}
			if got := m.Name(e.Name, listing.Unknown); got != query.Unknown && want != query.Unknown && got != want {
				fail(e, "Name without type is %v, want %v", got, want)
			}
			if !slices.Contains(candidates, e.Name) && m.Name(e.Name, listing.Unknown) != query.False {
				fail(e, "Next passes over what Name calls %v", m.Name(e.Name, listing.Unknown))
			}
			if !p.NeedsMeta() && !p.NeedsEmptyDir() && blind == query.Unknown && e.Type() != listing.Unknown {
				fail(e, "NeedsMeta is false")
			}
			down := naiveEntry{dir: path.Join(dir, g.name()), depth: depth + 1, e: e, meta: e.StatErrno == 0}
			if g.IntN(2) == 0 {
				down.dir, down.depth = path.Join(down.dir, g.name()), depth+2
			}
			if down.dir != dir && !below && oracle.match(p.Expr(), &down) == query.True {
				fail(e, "Below is false, but it matches in %q", down.dir)
			}
		}
		if here == query.Unknown {
			if n, ok := m.Count(col); ok && n != matches {
				fail(list[0], "Count is %d, want %d in %q", n, matches, col)
			}
		}
	}
}

// addTo extends z by e, as the store's Aggregates do.
func addTo(z *query.Zone, e *listing.Entry, first bool) {
	if first {
		*z = query.Zone{MinSize: e.Size, MaxSize: e.Size, Oldest: e.Mtime, Newest: e.Mtime}
	}
	z.Count++
	if e.Type() == listing.Dir {
		z.Dirs++
	}
	z.MinSize, z.MaxSize = min(z.MinSize, e.Size), max(z.MaxSize, e.Size)
	if e.Mtime.Compare(z.Oldest) < 0 {
		z.Oldest = e.Mtime
	}
	if e.Mtime.Compare(z.Newest) > 0 {
		z.Newest = e.Mtime
	}
}

// One plan serves many goroutines, each with its own matcher.
func TestPlanIsShared(t *testing.T) {
	p, err := Compile(&query.Request{Terms: []string{`src/*.go OR re:a+b$ OR k OR path:"e/x"`}, Exclude: []string{"x*"}})
	if err != nil {
		t.Fatal(err)
	}
	cols := columns(2400)
	found := make([]int, 4)
	var wg sync.WaitGroup
	for i := range found {
		wg.Go(func() {
			m := p.NewMatcher()
			for _, col := range cols {
				found[i] += scanColumn(m, "/home/e/src", col)
			}
		})
	}
	wg.Wait()
	if found[0] == 0 || slices.Min(found) != slices.Max(found) {
		t.Errorf("found %v", found)
	}
}

// Judging allocates nothing once a matcher has grown to its needs.
func TestMatcherDoesNotAllocate(t *testing.T) {
	for _, q := range []string{"readme", "src/*.go", "*.{c,h}", "a?*b", "path:xyzk", "type:f size:>1k", "in:/a depth:2", "ext:c,h NOT main"} {
		p, err := Compile(&query.Request{Terms: []string{q}, Exclude: []string{"node_modules", "a/*/x"}})
		if err != nil {
			t.Fatal(err)
		}
		m := p.NewMatcher()
		cols := columns(120)
		if n := testing.AllocsPerRun(10, func() {
			for _, col := range cols {
				scanColumn(m, "/home/Ann/src", col)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", q, n)
		}
	}
}
