package pattern

import (
	"regexp/syntax"
	"unicode"
	"unicode/utf8"
)

// wordBoundaryNFA runs the program of a query.WordRegex, which has \< \> \b or \B. Package
// regexp cannot: its words consist of ASCII letters, and it does not distinguish the beginning
// of a word from its end.
type wordBoundaryNFA struct {
	entered []uint32 // the instructions that the last character led to
	places  []uint32 // the instructions reached from there that match a character
	seen    []uint32 // for each instruction, the last round that entered it
	round   uint32
}

// match reports whether prog finds a match in text.
func (m *wordBoundaryNFA) match(prog *syntax.Prog, text string, t *StepBudget) bool {
	if len(m.seen) < len(prog.Inst) {
		m.seen = make([]uint32, len(prog.Inst))
		m.round = 0
	}
	m.entered = m.entered[:0]
	was := false // whether the character before i belongs to a word
	for i := 0; ; {
		c, w, is := rune(-1), 0, false
		if i < len(text) {
			c, w = utf8.DecodeRuneInString(text[i:])
			if is = isWord(c); c == utf8.RuneError && w == 1 {
				is = isWord(rune(text[i])) // as in glibc
			}
		}
		at := boundariesAt(was, is, i == 0, i == len(text))
		m.nextRound()
		m.places = m.places[:0]
		if m.add(prog, uint32(prog.Start), at) {
			return true
		}
		for _, pc := range m.entered {
			if m.add(prog, pc, at) {
				return true
			}
		}
		if i == len(text) || t.Spend(1+2*len(m.places)) {
			return false
		}
		m.entered = m.entered[:0]
		for _, pc := range m.places {
			if in := &prog.Inst[pc]; in.MatchRune(c) {
				m.entered = append(m.entered, in.Out)
			}
		}
		was = is
		i += w
	}
}

func (m *wordBoundaryNFA) nextRound() {
	if m.round++; m.round == 0 { // after 2³² characters
		clear(m.seen)
		m.round = 1
	}
}

// add enters pc and all instructions that it leads to without matching a character. It reports
// whether the end of the program is among them.
func (m *wordBoundaryNFA) add(prog *syntax.Prog, pc uint32, at syntax.EmptyOp) bool {
	for m.seen[pc] != m.round {
		m.seen[pc] = m.round
		switch in := &prog.Inst[pc]; in.Op {
		case syntax.InstMatch:
			return true
		case syntax.InstFail:
			return false
		case syntax.InstAlt, syntax.InstAltMatch:
			if m.add(prog, in.Out, at) {
				return true
			}
			pc = in.Arg
		case syntax.InstCapture, syntax.InstNop:
			pc = in.Out
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^at != 0 {
				return false
			}
			pc = in.Out
		default:
			m.places = append(m.places, pc)
			return false
		}
	}
	return false
}

// boundariesAt returns which empty-width assertions hold between two characters. was and is
// say whether the character before and the one after belong to a word.
func boundariesAt(was, is, begin, end bool) syntax.EmptyOp {
	var at syntax.EmptyOp
	if begin {
		at |= syntax.EmptyBeginText
	}
	if end {
		at |= syntax.EmptyEndText
	}
	switch {
	case was == is:
		at |= syntax.EmptyNoWordBoundary
	case is:
		at |= syntax.EmptyWordBoundary | syntax.EmptyBeginLine
	default:
		at |= syntax.EmptyWordBoundary | syntax.EmptyEndLine
	}
	return at
}

// isWord reports whether r can be part of a word.
func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Nl, r)
}
