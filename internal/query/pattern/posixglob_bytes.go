package pattern

// byteGlob matches a posixGlob by bytes: sets of them, in pieces with a star
// between any two.
type byteGlob [][]byteSet

// byteSet has a bit for each byte.
type byteSet [4]uint64

func (s *byteSet) has(c byte) bool { return s[c>>6]>>(c&63)&1 != 0 }

func newByteGlob(x *Fnmatch) byteGlob {
	g := byteGlob{nil}
	for i := range x.bytes {
		if x.bytes[i].op == posixStar {
			g = append(g, nil)
			continue
		}
		var s byteSet
		for c := range 256 {
			if x.matches(&x.bytes[i], rune(c), true) {
				s[c>>6] |= 1 << (c & 63)
			}
		}
		last := len(g) - 1
		g[last] = append(g[last], s)
	}
	return g
}

// match reports whether the whole of text matches. It takes at most the length
// of the pattern times that of text.
func (g byteGlob) match(text string, t *StepBudget) bool {
	first, last := g[0], g[len(g)-1]
	if len(g) == 1 {
		return len(text) == len(first) && fits(first, text)
	}
	end := len(text) - len(last)
	if end < len(first) || !fits(first, text) || !fits(last, text[end:]) {
		return false
	}
	text = text[len(first):end]
	for _, piece := range g[1 : len(g)-1] {
		for ; ; text = text[1:] { // the first place is as good as any
			if len(text) < len(piece) || t.Spend(1+len(piece)/4) {
				return false
			}
			if fits(piece, text) {
				break
			}
		}
		text = text[len(piece):]
	}
	return true
}

// fits reports whether text, which is no shorter, begins with what piece matches.
func fits(piece []byteSet, text string) bool {
	for i := range piece {
		if !piece[i].has(text[i]) {
			return false
		}
	}
	return true
}
