package exec

import (
	"hash/maphash"
)

// maxSample is how many rows of a pass a worker samples.
const maxSample = 4096

// sample is an evenly spaced part of the rows that a worker sees.
type sample struct {
	rows   []*position
	stride int // rows from one of the sample to the next
	skip   int // before the next
}

// due reports whether the next row is part of the sample.
func (s *sample) due() bool {
	s.skip--
	return s.skip < 0
}

// take adds a row.
func (s *sample) take(p *position) {
	s.rows = append(s.rows, p.clone())
	if len(s.rows) == maxSample {
		for i := range maxSample / 2 {
			s.rows[i] = s.rows[2*i]
		}
		s.rows = s.rows[:maxSample/2]
		s.stride = 2*s.stride + 1
	}
	s.skip = s.stride
}

// hint is a row that was sampled, and how many rows it stands for.
type hint struct {
	*position
	rows float64
}

// hints returns the rows that the worker sampled since its memory ran out.
func (c *sortCollector) sampled() (list []hint) {
	for _, p := range c.sample.rows {
		list = append(list, hint{p, float64(c.total) / float64(len(c.sample.rows))})
	}
	return list
}

// nextBound returns where a pass should end so that memory holds its rows; nil if that is not
// known or all that are left will fit. Without it, most rows would be copied several times, each
// pass dropping nearly all that are left.
func (s *sorting) nextBound() *position {
	if s.after == nil {
		return nil
	}
	rows := 0.0
	for _, h := range s.hints {
		if s.compare(h.position, s.after) <= 0 {
			continue
		}
		if rows += h.rows; rows > 0.85*float64(s.fit) {
			return h.position
		}
	}
	return nil
}

// fingerprint tells which of the rows that a pass sees differ from those of another, except that
// several in one of its sums count as one.
type fingerprint []uint64

var fingerprintSeed = maphash.MakeSeed()

func hashDir(dir pathKey) uint64 { return maphash.Bytes(fingerprintSeed, dir) }

// count adds a row of a directory with that hash.
func (f *fingerprint) count(dir uint64, p *position) {
	if *f == nil {
		*f = make(fingerprint, 1<<13)
	}
	h := mix(dir + maphash.String(fingerprintSeed, p.name))
	(*f)[h%uint64(len(*f))] += mix(h + mix(p.prefix+uint64(p.low)<<32))
}

// mix is the finalizer of MurmurHash3.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// add returns the fingerprint of both rows of f and g.
func (f fingerprint) add(g fingerprint) fingerprint {
	if f == nil {
		return g
	}
	for i := range g {
		f[i] += g[i]
	}
	return f
}

// differences returns how many rows differ, at least.
func (f fingerprint) differences(g fingerprint) (n int64) {
	for i := range max(len(f), len(g)) {
		if (i < len(f) && f[i] != 0 || i < len(g) && g[i] != 0) && !(i < len(f) && i < len(g) && f[i] == g[i]) {
			n++
		}
	}
	return n
}
