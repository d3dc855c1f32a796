// Package pattern compiles globs and regular expressions, matches them, and finds the texts
// that every match must contain. Package query parses them.
//
// The work on one text is bounded by its length times query.MaxSteps, and a StepBudget can
// interrupt it.
package pattern

import (
	"slices"
	"unicode/utf8"

	"indexd/internal/casefold"
	"indexd/internal/query"
)

// Glob is a compiled glob: a program for a nondeterministic machine. Matching a text takes at
// most its length times the length of the program.
type Glob struct {
	prog []globInst
	fold bool
	kind GlobKind
	// Linear is set for a glob without alternatives in which every star passes over '/' too.
	// Match then needs no states.
	Linear bool
}

// GlobKind says how a glob reads a text.
type GlobKind uint8

const (
	// FindGlob reads characters; a byte that is not UTF-8 counts as a character of its own.
	// Case is ignored by Unicode's simple folding.
	FindGlob GlobKind = iota
	// LocateBytes reads bytes. LocateChars reads characters and matches no text that is not
	// UTF-8. Both are for the result of query.ParseLocateGlob; case is ignored as
	// query.LowerChar does.
	LocateBytes
	LocateChars
)

// decode returns the first character of text, its folded form, and its length. The length is 0
// if the text does not begin with a character.
func (g *Glob) decode(text string) (c, folded rune, w int) {
	if text[0] < utf8.RuneSelf && !g.fold {
		return rune(text[0]), rune(text[0]), 1
	}
	switch g.kind {
	case FindGlob:
		c, w = query.DecodeChar(text)
	case LocateBytes:
		c, w = rune(text[0]), 1
	case LocateChars:
		if c, w = utf8.DecodeRuneInString(text); c == utf8.RuneError && w == 1 {
			return 0, 0, 0
		}
	}
	return c, g.folded(c), w
}

// has reports whether the class of in contains c.
func (g *Glob) has(in *globInst, c, folded rune) bool {
	if c < 256 {
		return in.low[c]
	}
	return in.class.Has(c, folded, g.fold)
}

// folded returns the form in which characters are compared.
func (g *Glob) folded(c rune) rune {
	switch {
	case !g.fold:
		return c
	case g.kind != FindGlob:
		return query.LowerChar(c, g.kind == LocateBytes)
	case c < query.InvalidByte:
		return casefold.Rune(c)
	}
	return c
}

type globInst struct {
	op    globInstOp
	c     rune
	class *query.GlobClass
	low   *[256]bool // of instClass: which characters below 256 it contains
	to    []int      // of instSplit: the alternatives
}

type globInstOp uint8

const (
	instChar  globInstOp = iota // match c, then go on
	instAny                     // match any character except '/', then go on
	instClass                   // match one of class, then go on
	instStar                    // go on, or match any character except '/' and stay
	instStars                   // go on, or match any character and stay
	instDirs                    // go on behind the next instruction, or with it
	instSkip                    // match characters up to and including a '/', then go back to the instDirs before
	instSplit                   // go on at any of to
	instMatch
)

// maxClassTests is about how many characters must be looked up in a named class if case is
// ignored, and so how many steps it counts for.
const maxClassTests = 8

// CompileGlob compiles parts. It subtracts the length of the program from budget, and returns
// false if nothing is left of it.
func CompileGlob(parts []query.GlobPart, kind GlobKind, fold bool, budget *int) (*Glob, bool) {
	g := &Glob{kind: kind, fold: fold}
	ok := g.emit(parts, budget) && g.inst(globInst{op: instMatch}, budget)
	g.Linear = !slices.ContainsFunc(g.prog, func(in globInst) bool {
		return in.op == instStar || in.op == instDirs || in.op == instSplit
	})
	return g, ok
}

func (g *Glob) inst(in globInst, budget *int) bool {
	g.prog = append(g.prog, in)
	*budget--
	return *budget >= 0
}

func (g *Glob) emit(parts []query.GlobPart, budget *int) bool {
	for _, p := range parts {
		in := globInst{c: p.Char, class: p.Class}
		switch p.Op {
		case query.OpChar:
			in.op = instChar
			in.c = g.folded(p.Char)
		case query.OpAny:
			in.op = instAny
		case query.OpClass:
			in.op = instClass
			in.low = new([256]bool)
			for c := range rune(256) {
				in.low[c] = p.Class.Has(c, g.folded(c), g.fold)
			}
			*budget -= maxClassTests * len(p.Class.Named) // the lookups in each named class
		case query.OpStar:
			in.op = instStar
		case query.OpStars:
			in.op = instStars
		case query.OpDirs:
			if !g.inst(globInst{op: instDirs}, budget) {
				return false
			}
			in.op = instSkip
		case query.OpAlt:
			if !g.emitAlt(p.Alts, budget) {
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

func (g *Glob) emitAlt(alts [][]query.GlobPart, budget *int) bool {
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

// GlobState is the state of the machine: a set of places in the program.
type GlobState struct {
	Places []int32
	index  []int32 // by place: its index in Places, if it is there
	Valid  bool    // for the caller: the state is up to date
}

func (s *GlobState) clear() { s.Places = s.Places[:0] }

func (s *GlobState) has(pc int) bool {
	i := s.index[pc]
	return int(i) < len(s.Places) && int(s.Places[i]) == pc
}

// add enters pc and all places that it leads to without matching a character.
func (g *Glob) add(s *GlobState, pc int) {
	for !s.has(pc) {
		s.index[pc] = int32(len(s.Places))
		s.Places = append(s.Places, int32(pc))
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

// Begin sets s to the state before the first character.
func (g *Glob) Begin(s *GlobState) {
	if len(s.index) < len(g.prog) {
		s.index = make([]int32, len(g.prog))
	}
	s.clear()
	g.add(s, 0)
}

// Load sets s to a state with these places.
func (g *Glob) Load(s *GlobState, places []int32) {
	if len(s.index) < len(g.prog) {
		s.index = make([]int32, len(g.prog))
	}
	s.Places = append(s.Places[:0], places...)
	for i, pc := range places {
		s.index[pc] = int32(i)
	}
}

// Run matches text from the state cur on, and counts its steps in t. It uses both states, and
// returns the resulting state first. A state without places cannot match any more; it is also
// the result if t is stopped.
func (g *Glob) Run(cur, spare *GlobState, text string, t *StepBudget) (*GlobState, *GlobState) {
	if len(spare.index) < len(g.prog) {
		spare.index = make([]int32, len(g.prog))
	}
	for len(text) > 0 && len(cur.Places) > 0 {
		c, folded, w := g.decode(text)
		text = text[w:]
		spare.clear()
		if w == 0 || t.Spend(len(cur.Places)) {
			return spare, cur
		}
		for _, pc := range cur.Places {
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
				if g.has(in, c, folded) {
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

// Accepts reports whether g matches the text that led to s.
func (g *Glob) Accepts(s *GlobState) bool {
	return len(s.Places) > 0 && s.has(len(g.prog)-1)
}

// Match reports whether g matches the whole of text. It uses a and b.
func (g *Glob) Match(a, b *GlobState, text string, t *StepBudget) bool {
	if g.Linear {
		return g.matchLinear(text, t)
	}
	g.Begin(a)
	a, _ = g.Run(a, b, text, t)
	return g.Accepts(a)
}

// matchLinear is Match for a linear glob. At a mismatch it goes back to the last star only,
// since whatever an earlier star could pass over, the last one can pass over too.
func (g *Glob) matchLinear(text string, t *StepBudget) bool {
	pc, i := 0, 0
	star, from := -1, 0 // the place behind the last star, and where in text the attempt behind it began
	for steps := 1; ; steps++ {
		if steps&63 == 0 && t.Spend(64) {
			return false
		}
		switch in := &g.prog[pc]; {
		case in.op == instMatch && i == len(text):
			return true
		case in.op == instStars:
			if pc++; g.prog[pc].op == instMatch && g.kind != LocateChars {
				return true
			}
			star, from = pc, i
			continue
		case i == len(text):
			return false // a later beginning would leave even less
		case in.op != instMatch:
			if c, folded, w := g.decode(text[i:]); w == 0 {
				return false
			} else if in.op == instChar && in.c == folded || in.op == instAny && c != '/' || in.op == instClass && g.has(in, c, folded) {
				pc++
				i += w
				continue
			}
		}
		if star < 0 {
			return false
		}
		_, _, w := g.decode(text[from:])
		if w == 0 {
			return false // no star matches it
		}
		from += w
		pc, i = star, from
	}
}

// ValidGlob reports whether all characters in parts are valid UTF-8.
func ValidGlob(parts []query.GlobPart) bool {
	return utf8.ValidString(query.GlobText(parts))
}
