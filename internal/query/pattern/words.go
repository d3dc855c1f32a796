package pattern

import (
	"regexp/syntax"
	"unicode"
	"unicode/utf8"
)

// wordBoundaryNFA runs the program of a query.WordRegex, which has \< \> \b or \B. Package
// regexp cannot: its words are of ASCII, and it cannot tell where one begins from where it
// ends. The machine is in all places of the program at once.
type wordBoundaryNFA struct {
	entered []uint32 // the instructions that the last character led to
	places  []uint32 // those behind them that take a character
	seen    []uint32 // by instruction, the round that entered it last
	round   uint32
}

// match reports whether prog finds a match in text.
func (m *wordBoundaryNFA) match(prog *syntax.Prog, text string, t *StepBudget) bool {
	if len(m.seen) < len(prog.Inst) {
		m.seen = make([]uint32, len(prog.Inst))
		m.round = 0
	}
	m.entered = m.entered[:0]
	was := false // the character before i is a letter of a word
	for i := 0; ; {
		c, w, is := rune(-1), 0, false
		if i < len(text) {
			c, w = utf8.DecodeRuneInString(text[i:])
			if is = isWord(c); c == utf8.RuneError && w == 1 {
				is = isWord(rune(text[i])) // as for glibc
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
	if m.round++; m.round == 0 { // after four thousand million characters
		clear(m.seen)
		m.round = 1
	}
}

// add enters pc, and all that it leads to without a character. It reports
// whether that is the end.
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

// boundariesAt is what there is between two characters, of which the one before was,
// and the one behind is, a letter of a word.
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

// isWord reports whether r is a letter of a word.
func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.Nl, r)
}
