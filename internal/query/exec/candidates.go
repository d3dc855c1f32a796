package exec

import (
	"bytes"

	"github.com/RoaringBitmap/roaring/v2"

	"indexd/internal/query/plan"
	"indexd/store"
	"indexd/store/postings/trigram"
)

// candidates are the records of a snapshot that may have matches. Their entries are evaluated as
// in a scan of everything, so there may be too many of them. They have one of two forms.
//
//	spans   keys, few enough to go from one to the next
//	docs    doc IDs, which a scan of all keys compares with those of the headers
//
// They never change and are shared by the workers.
type candidates struct {
	// dir accepts the names of directories below which everything is a candidate; nil accepts
	// none.
	dir func(name string) bool
	// whole says, for each keyRange, that all of it is below such a directory.
	whole []bool
	// fits holds the docs of all candidates; nil holds all docs. A candidate must be in it even
	// if docs or dir lead to it.
	fits *roaring.Bitmap
	docs *roaring.Bitmap // nil: all

	inSpans bool
	spans   []span // disjoint, in the order of keys
	// few says that they can be made spans, which takes longer than a short scan for the
	// first of them.
	few bool
}

// seed is one query of the trigram index. All matches are in the documents that meet need or, if
// dir is set, below directories named in them that dir accepts.
type seed struct {
	need trigram.Need
	dir  func(name string) bool // nil: there are none
}

// lookup finds candidates. Tests replace it.
type lookup struct {
	// seeds are those of a plan, each sufficient alone.
	seeds func(p *plan.Plan) []seed
	// docs returns those that meet a seed's need, perhaps more; nil means all.
	docs func(sn *store.Snap, s *seed) (*roaring.Bitmap, error)
}

// candidates returns the candidates of the plan, or nil if a scan of everything is as good. It
// also returns nil if the indexes cannot be read.
func (a *answer) candidates(ks *keyspace) *candidates {
	if clock := ks.sn.Clock(); !a.looked || a.sum.LastClock != clock {
		a.looked = true
		if a.cand = new(candidates); !a.cand.gather(a, ks) {
			a.cand = nil
		}
	}
	return a.cand
}

// gather finds the docs and chooses the form. It returns false if a scan of everything is as good.
func (c *candidates) gather(a *answer, ks *keyspace) bool {
	tune := &a.r.tune
	all := ks.sn.Docs()
	var below *seed // the one with the fewest docs of those that lead to subtrees
	for i := range a.seeds {
		s := &a.seeds[i]
		docs, err := a.r.lookup.docs(ks.sn, s)
		switch {
		case err != nil:
			return false
		case docs == nil:
		case s.dir == nil:
			c.meet(docs)
		case below == nil || docs.GetCardinality() < c.docs.GetCardinality():
			below, c.docs = s, docs
		}
	}
	few := tune.few(all)
	if zones := a.zones(); zones != nil && (c.fits == nil || c.fits.GetCardinality() > few) {
		if docs := ks.sn.Zones(zones); docs != nil {
			c.meet(docs)
		}
	}
	if c.fits != nil {
		// The size of the subtrees is not known.
		if n := c.fits.GetCardinality(); below == nil || n <= few || n/4 <= c.docs.GetCardinality() {
			below, c.docs = nil, c.fits
		}
	}
	if c.docs == nil {
		return false
	}
	n := c.docs.GetCardinality()
	if n > few && n > tune.many(all) {
		return false
	}
	if below != nil {
		c.dir = below.dir
		c.tops(ks)
	}
	if c.few = n <= few; c.few && (a.cut || n <= tune.fewest) {
		c.inSpans = c.cut(a, ks)
	}
	return a.ctx.Err() == nil
}

// settle makes spans of few candidates after a short scan has not finished.
func (a *answer) settle(ks *keyspace) {
	if c := ks.cand; c != nil && c.few && !c.inSpans {
		own := *c
		if own.inSpans = own.cut(a, ks); own.inSpans {
			a.cand, ks.cand = &own, &own
		}
	}
}

func (c *candidates) meet(docs *roaring.Bitmap) {
	if c.fits == nil {
		c.fits = docs
	} else {
		c.fits = roaring.And(c.fits, docs)
	}
}

// tops sets whole.
func (c *candidates) tops(ks *keyspace) {
	c.whole = make([]bool, len(ks.ranges))
	for i := range ks.ranges {
		s := &ks.ranges[i]
		top := ks.scopes[s.scope].top
		if len(s.mount) > len(top) {
			top = s.mount
		}
		c.whole[i] = c.accepts(top) >= 0
	}
}

// accepts returns the length of the pathKey of the first directory in path whose name is
// accepted; negative if there is none.
func (c *candidates) accepts(path []byte) int {
	for i := 0; i < len(path); {
		n := bytes.IndexByte(path[i+1:], 0)
		if n < 0 {
			n = len(path) - i - 1
		}
		name := path[i+1 : i+1+n]
		i += 1 + n
		if c.dir(text(name)) {
			return i
		}
	}
	return -1
}

// fewOf is tuning.few. Looking up a record takes about as long as passing over twenty, and the
// keys must fit in memory.
func fewOf(all uint64) uint64 { return min(max(all/16, 256), 32<<10) }

// manyOf is tuning.many.
func manyOf(all uint64) uint64 { return all / 4 }

// trigrams finds candidates by the index of trigrams.
func trigrams() lookup {
	return lookup{
		seeds: func(p *plan.Plan) []seed {
			var list []seed
			for _, s := range p.IndexQueries() {
				own := seed{need: s.Need}
				if s.Subtree {
					own.dir = s.Dir
				}
				list = append(list, own)
			}
			return list
		},
		docs: func(sn *store.Snap, s *seed) (*roaring.Bitmap, error) { return sn.Candidates(&s.need) },
	}
}
