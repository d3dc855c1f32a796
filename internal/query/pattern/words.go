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
func (wb *wordBoundaryNFA) match(prog *syntax.Prog, text string, t *StepBudget) bool {
	if len(wb.seen) < len(prog.Inst) {
		wb.seen = make([]uint32, len(prog.Inst))
		wb.round = 0
	}
	wb.entered = wb.entered[:0]
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
		wb.nextRound()
		wb.places = wb.places[:0]
		if wb.add(prog, uint32(prog.Start), at) {
			return true
		}
		for _, pc := range wb.entered {
			if wb.add(prog, pc, at) {
				return true
			}
		}
		if i == len(text) || t.Spend(1+2*len(wb.places)) {
			return false
		}
		wb.entered = wb.entered[:0]
		for _, pc := range wb.places {
			if in := &prog.Inst[pc]; in.MatchRune(c) {
				wb.entered = append(wb.entered, in.Out)
			}
		}
		was = is
		i += w
	}
}

func (wb *wordBoundaryNFA) nextRound() {
	if wb.round++; wb.round == 0 { // after 2³² characters
		clear(wb.seen)
		wb.round = 1
	}
}

// add enters pc and all instructions that it leads to without matching a character. It reports
// whether the end of the program is among them.
func (wb *wordBoundaryNFA) add(prog *syntax.Prog, pc uint32, at syntax.EmptyOp) bool {
	for wb.seen[pc] != wb.round {
		wb.seen[pc] = wb.round
		switch in := &prog.Inst[pc]; in.Op {
		case syntax.InstMatch:
			return true
		case syntax.InstFail:
			return false
		case syntax.InstAlt, syntax.InstAltMatch:
			if wb.add(prog, in.Out, at) {
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
			wb.places = append(wb.places, pc)
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
