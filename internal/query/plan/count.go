package plan

import (
	"bytes"

	"indexd/internal/query"
	"indexd/internal/query/scan"
	"indexd/listing"
)

// Count returns how many of names, a column of names each ended by 0x00, match in the
// directory entered, for which Enter returned Unknown. ok is false if more than one text in
// the name decides; the caller must then use Next and Name.
func (m *Matcher) Count(names []byte) (n int, ok bool) {
	s := m.decides(m.p.root)
	if s == nil {
		return 0, false
	}
	t, ok := s.test.(*litTest)
	if !ok {
		return 0, false
	}
	if n, ok := t.count(m, names); ok {
		return n, true
	}
	for at := 0; at < len(names); {
		k := m.Next(names, at)
		if k < 0 {
			break
		}
		at += bytes.LastIndexByte(names[at:k], 0) + 1
		end := k + bytes.IndexByte(names[k:], 0)
		if m.Name(view(names[at:end]), listing.Unknown) == query.True {
			n++
		}
		at = end + 1
	}
	return n, true
}

// decides returns the one test below s whose result is that of s, given what the directory
// decides, or nil if there are several.
func (m *Matcher) decides(s *step) *step {
	switch s.op {
	case stepTest:
		return s
	case stepNot:
		return nil
	}
	var one *step
	for _, k := range s.kids {
		if m.here[k.id] != query.Unknown {
			continue // it is True in an AND or False in an OR, otherwise s would be decided
		}
		if one != nil {
			return nil
		}
		one = k
	}
	return m.decides(one)
}

// count is Matcher.Count for a test that takes no more than a search for one or two texts.
func (t *litTest) count(m *Matcher, names []byte) (n int, ok bool) {
	if t.searchers == nil || len(t.alts) > 1 && (t.path || !t.disjoint) {
		return 0, false
	}
	beyond := false // names have bytes that are not ASCII
	for i := range t.searchers {
		k := &t.searchers[i]
		if t.path && m.remainders[t.id] == remainderRest {
			k = &t.remainderSearchers[i]
		}
		if !k.Exact {
			return 0, false
		}
		if len(k.Lookalikes) > 0 && !beyond {
			if beyond = !scan.IsASCII(names); beyond {
				return 0, false
			}
		}
		n += k.Count(names, t.needsStem)
	}
	return n, true
}
