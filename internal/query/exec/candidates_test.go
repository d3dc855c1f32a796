package exec

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/internal/query"
	"indexd/internal/query/plan"
	"indexd/store"
	"indexd/store/record"
)

// lookup is the real lookup, or one that finds the records to read by brute force and adds some
// at random: by the text, by what matches, by both, or not at all. It is for snapshots of the
// current state of w.
func (w *world) lookup(q *question) lookup {
	if w.r.IntN(3) == 0 {
		return trigrams()
	}
	var seeds []seed
	byText := w.r.IntN(3) > 0
	if q.text != "" && byText {
		s := seed{}
		if q.req.FullPath {
			s.dir = func(name string) bool { return strings.Contains(name, q.text) }
		}
		seeds = append(seeds, s)
	}
	exact := len(seeds)
	if w.r.IntN(2) == 0 {
		seeds = append(seeds, seed{})
	}
	w.r.Shuffle(len(seeds), func(i, j int) {
		if i == exact {
			exact = j
		} else if j == exact {
			exact = i
		}
		seeds[i], seeds[j] = seeds[j], seeds[i]
	})
	wider := []float64{0, 0, 0.1, 0.5}[w.r.IntN(4)]
	r := rand.New(rand.NewPCG(w.r.Uint64(), 0))
	return lookup{
		seeds: func(*plan.Plan) []seed { return seeds },
		docs: func(sn *store.Snap, s *seed) (*roaring.Bitmap, error) {
			if exact == len(seeds) || s != &seeds[exact] {
				return textDocs(sn, q.text, r, wider), nil
			}
			names := make(map[string][]string)
			for _, f := range w.answer(q, query.SortDefault, false) {
				names[f.dir] = append(names[f.dir], f.e.Name)
			}
			return docsOf(sn, r, wider, func(dir string, rec *record.Record) bool {
				return slices.ContainsFunc(names[dir], func(name string) bool { _, ok := rec.Find(name); return ok })
			}), nil
		},
	}
}

// textDocs are the records with a name that has text.
func textDocs(sn *store.Snap, text string, r *rand.Rand, wider float64) *roaring.Bitmap {
	return docsOf(sn, r, wider, func(_ string, rec *record.Record) bool {
		return strings.Contains(string(rec.Names()), text)
	})
}

// docsOf are the records that are wanted, and of all doc ids some more.
func docsOf(sn *store.Snap, r *rand.Rand, wider float64, want func(dir string, rec *record.Record) bool) *roaring.Bitmap {
	docs := roaring.New()
	c := sn.Cursor(nil, nil)
	for c.Next() {
		rec := c.Record()
		if rec.Load() == nil && want(sn.PathOf(c.Dir()), rec) {
			docs.Add(uint32(rec.Header().Doc))
		}
	}
	for doc := range uint32(sn.Docs() + 10) {
		if r.Float64() < wider {
			docs.Add(doc)
		}
	}
	return docs
}

// form says in which form the candidates of q are in a round that is not the
// first.
func (r *Runner) form(t *testing.T, q *Query) (form string) {
	t.Helper()
	a := &answer{r: r, q: q, ctx: t.Context(), cut: true}
	if err := a.view(func(ks *keyspace) error {
		switch c := ks.cand; {
		case c == nil:
			form = "everything"
		case c.inSpans:
			form = "spans"
		default:
			form = "docs"
		}
		if ks.cand != nil && ks.cand.dir != nil {
			form += " and what is below"
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return form
}
