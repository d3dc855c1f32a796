package query

import (
	"unicode/utf8"

	"indexd/internal/casefold"
)

// glob is a compiled glob: a program for a machine that is in many places of
// it at once, so that a text costs at most its length times the program's.
type glob struct {
	prog []globInst
	fold bool
}

type globInst struct {
	op    globInstOp
	c     rune
	class *globClass
	to    []int // of instSplit
}

type globInstOp uint8

const (
	instChar  globInstOp = iota // c, then the next
	instAny                     // one but '/', then the next
	instClass                   // one of class, then the next
	instStar                    // the next, or one but '/' and here again
	instStars                   // the next, or one and here again
	instDirs                    // the next, or the one after it...
	instSkip                    // ...where characters are passed up to a '/', then the instDirs before it
	instSplit                   // any of to
	instMatch
)

// maxClassTests is about how many characters may have to be asked about, and how
// long that takes, for a named class where case does not count.
const maxClassTests = 8

// compileGlob makes the program. budget is lessened by its length.
func compileGlob(parts []globPart, fold bool, budget *int) (*glob, bool) {
	g := &glob{fold: fold}
	ok := g.emit(parts, budget) && g.inst(globInst{op: instMatch}, budget)
	return g, ok
}

func (g *glob) inst(in globInst, budget *int) bool {
	g.prog = append(g.prog, in)
	*budget--
	return *budget >= 0
}

func (g *glob) emit(parts []globPart, budget *int) bool {
	for _, p := range parts {
		in := globInst{c: p.c, class: p.class}
		switch p.op {
		case opChar:
			in.op = instChar
			if g.fold && p.c < invalid {
				in.c = casefold.Rune(p.c)
			}
		case opAny:
			in.op = instAny
		case opClass:
			in.op = instClass
			*budget -= maxClassTests * len(p.class.named) // what it costs to ask for each
		case opStar:
			in.op = instStar
		case opStars:
			in.op = instStars
		case opDirs:
			if !g.inst(globInst{op: instDirs}, budget) {
				return false
			}
			in.op = instSkip
		case opAlt:
			if !g.emitAlt(p.alts, budget) {
				return false
			}
			continue
		}
		if !g.inst(in, budget) {
			return false
		}
	}
	return true
}

func (g *glob) emitAlt(alts [][]globPart, budget *int) bool {
	*budget -= len(alts)
	split := len(g.prog)
	if !g.inst(globInst{op: instSplit}, budget) {
		return false
	}
	var to, ends []int
	for _, alt := range alts {
		to = append(to, len(g.prog))
		if !g.emit(alt, budget) {
			return false
		}
		ends = append(ends, len(g.prog))
		if !g.inst(globInst{op: instSplit}, budget) {
			return false
		}
	}
	g.prog[split].to = to
	after := []int{len(g.prog)}
	for _, end := range ends {
		g.prog[end].to = after
	}
	return true
}

// globState is where a machine is: a set of places in a program.
type globState struct {
	places []int32
	index  []int32 // of a place in places, if it is there
	live   bool    // set by the matcher: the state is of the directory entered
}

func (s *globState) clear() { s.places = s.places[:0] }

func (s *globState) has(pc int) bool {
	i := s.index[pc]
	return int(i) < len(s.places) && int(s.places[i]) == pc
}

// add enters a place and those that it leads to without a character.
func (g *glob) add(s *globState, pc int) {
	for !s.has(pc) {
		s.index[pc] = int32(len(s.places))
		s.places = append(s.places, int32(pc))
		switch in := &g.prog[pc]; in.op {
		case instStar, instStars:
			pc++
		case instDirs:
			g.add(s, pc+1)
			pc += 2
		case instSplit:
			for _, to := range in.to[1:] {
				g.add(s, to)
			}
			pc = in.to[0]
		default:
			return
		}
	}
}

// begin makes s the state before the first character.
func (g *glob) begin(s *globState) {
	if len(s.index) < len(g.prog) {
		s.index = make([]int32, len(g.prog))
	}
	s.clear()
	g.add(s, 0)
}

// load makes s a state that was kept.
func (g *glob) load(s *globState, places []int32) {
	if len(s.index) < len(g.prog) {
		s.index = make([]int32, len(g.prog))
	}
	s.places = append(s.places[:0], places...)
	for i, pc := range places {
		s.index[pc] = int32(i)
	}
}

// run passes over text, at the meter's cost: where that says stop, in no place. It uses both states and returns first the one it ended
// in; one without places has failed for good.
func (g *glob) run(cur, spare *globState, text string, t *meter) (*globState, *globState) {
	if len(spare.index) < len(g.prog) {
		spare.index = make([]int32, len(g.prog))
	}
	for len(text) > 0 && len(cur.places) > 0 {
		c, w := decode(text)
		text = text[w:]
		folded := c
		if g.fold && c < invalid {
			folded = casefold.Rune(c)
		}
		spare.clear()
		if t.spend(len(cur.places)) {
			return spare, cur
		}
		for _, pc := range cur.places {
			at := int(pc)
			switch in := &g.prog[at]; in.op {
			case instChar:
				if in.c == folded {
					g.add(spare, at+1)
				}
			case instAny:
				if c != '/' {
					g.add(spare, at+1)
				}
			case instClass:
				if in.class.has(c, g.fold) {
					g.add(spare, at+1)
				}
			case instStar:
				if c != '/' {
					g.add(spare, at)
				}
			case instStars:
				g.add(spare, at)
			case instSkip:
				if c == '/' {
					g.add(spare, at-1)
				} else {
					g.add(spare, at)
				}
			}
		}
		cur, spare = spare, cur
	}
	return cur, spare
}

// accepts reports whether the text up to s is one that g matches.
func (g *glob) accepts(s *globState) bool {
	return len(s.places) > 0 && s.has(len(g.prog)-1)
}

// match reports whether g matches the whole of text.
func (g *glob) match(a, b *globState, text string, t *meter) bool {
	g.begin(a)
	a, _ = g.run(a, b, text, t)
	return g.accepts(a)
}

// validGlob reports whether every character of parts is a rune.
func validGlob(parts []globPart) bool {
	return utf8.ValidString(globText(parts))
}
