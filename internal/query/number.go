package query

import (
	"math"
	"math/bits"
	"strings"
)

// MaxNumber as the upper end of a range means that there is no upper end.
const MaxNumber uint64 = math.MaxUint64

// comparison is the kind of comparison with a value. '+' and '-' can be written for '>' and
// '<', which the shell interprets.
type comparison uint8

const (
	cmpBare comparison = iota
	cmpMore
	cmpMoreOrEqual
	cmpLess
	cmpLessOrEqual
	cmpRange
)

// compare splits the operator from the value. For a range, lo and hi are the ends, one of
// which may be empty. Otherwise lo is the operand.
func (v fieldValue) compare() (op comparison, lo, hi fieldValue, err error) {
	s := v.String()
	skip := 1
	switch {
	case strings.HasPrefix(s, ">="):
		op, skip = cmpMoreOrEqual, 2
	case strings.HasPrefix(s, "<="):
		op, skip = cmpLessOrEqual, 2
	case s[0] == '>', s[0] == '+':
		op = cmpMore
	case s[0] == '<', s[0] == '-':
		op = cmpLess
	default:
		skip = 0
	}
	lo = v.sub(skip, v.len())
	if i := strings.Index(s, ".."); i >= 0 {
		if op != cmpBare {
			return 0, lo, hi, v.fail(i, "a range takes no sign", v.field.Name+":A..B includes both ends")
		}
		lo, hi = v.sub(0, i), v.sub(i+2, v.len())
		if lo.len() == 0 && hi.len() == 0 {
			return 0, lo, hi, v.fail(0, "a range needs an end", v.field.Name+":A..B includes both ends")
		}
		return cmpRange, lo, hi, nil
	}
	if lo.len() == 0 {
		return 0, lo, hi, lo.fail(0, "there is nothing to compare with", "")
	}
	return op, lo, hi, nil
}

// numbers reads a comparison or range of numbers that the field's read reads.
func (v fieldValue) numbers() (Expr, error) {
	lo, hi, err := v.interval(v.field.read)
	return &Numbers{Field: v.field, Lo: lo, Hi: hi}, err
}

func (v fieldValue) depth() (Expr, error) {
	lo, hi, err := v.interval(fieldValue.count)
	return &Depth{lo, hi}, err
}

// interval reads a comparison or range, and returns the first and last number in it.
func (v fieldValue) interval(read func(fieldValue) (uint64, error)) (first, last uint64, err error) {
	op, lo, hi, err := v.compare()
	if err != nil {
		return 0, 0, err
	}
	last = MaxNumber
	if op == cmpRange {
		if lo.len() > 0 {
			if first, err = read(lo); err != nil {
				return 0, 0, err
			}
		}
		if hi.len() > 0 {
			if last, err = read(hi); err != nil {
				return 0, 0, err
			}
		}
		if last < first {
			return 0, 0, v.fail(0, "the range ends before it begins", "")
		}
		return first, last, nil
	}
	n, err := read(lo)
	if err != nil {
		return 0, 0, err
	}
	switch op {
	case cmpMore:
		if n == MaxNumber {
			return 0, 0, lo.fail(0, "nothing is larger", "")
		}
		first = n + 1
	case cmpMoreOrEqual:
		first = n
	case cmpLess:
		if n == 0 {
			return 0, 0, lo.fail(0, "nothing is smaller", "")
		}
		last = n - 1
	case cmpLessOrEqual:
		last = n
	case cmpBare:
		first, last = n, n
	}
	return first, last, nil
}

// count reads digits and nothing else.
func (v fieldValue) count() (uint64, error) {
	n, rest, err := v.digits()
	if err == nil && rest < v.len() {
		err = v.fail(rest, v.field.Name+": takes a number", "")
	}
	return n, err
}

// digits reads the digits at the beginning. There must be at least one.
func (v fieldValue) digits() (n uint64, rest int, err error) {
	for rest < v.len() && '0' <= v.b[rest] && v.b[rest] <= '9' {
		d := uint64(v.b[rest] - '0')
		if n > (MaxNumber-d)/10 {
			return 0, rest, v.fail(0, "the number is too large", "")
		}
		n = n*10 + d
		rest++
	}
	if rest == 0 {
		hint := ""
		if f := v.field; f.Value == "SIZE" {
			hint = f.Name + ":10k exactly, " + f.Name + ":+1M more, " + f.Name + ":-1M less, " + f.Name + ":1k..2G"
		} else if f.Value == "N" {
			hint = f.Name + ":2, " + f.Name + ":+2, " + f.Name + ":1..3"
		}
		return 0, 0, v.fail(0, "this is no number", hint)
	}
	return n, rest, nil
}

// fraction reads what follows a decimal point at i, in units of 1/fractionUnit, and drops
// further digits. rest is i if there is no point.
func (v fieldValue) fraction(i int) (n uint64, rest int, err error) {
	if i == v.len() || v.b[i] != '.' {
		return 0, i, nil
	}
	rest = i + 1
	for scale := fractionUnit / 10; rest < v.len() && '0' <= v.b[rest] && v.b[rest] <= '9'; rest++ {
		n += uint64(v.b[rest]-'0') * scale
		scale /= 10
	}
	if rest == i+1 {
		return 0, i, v.fail(rest, "digits are missing after the point", "")
	}
	return n, rest, nil
}

// fractionUnit is the denominator of fraction.
const fractionUnit = uint64(1e12)

// scaled returns (n + f/fractionUnit) × unit, with the remainder in units of 1/fractionUnit.
// ok is false if that is too large.
func scaled(n, f uint64, unit int64) (whole int64, rest uint64, ok bool) {
	over, product := bits.Mul64(n, uint64(unit))
	hi, lo := bits.Mul64(f, uint64(unit))
	part, rest := bits.Div64(hi, lo, fractionUnit)
	sum := product + part
	if over != 0 || sum < product || sum > math.MaxInt64 {
		return 0, 0, false
	}
	return int64(sum), rest, true
}

// size reads a number of bytes, such as 10, 10k or 2.5G, with powers of 1024.
func (v fieldValue) size() (uint64, error) {
	const hint = "units are b k M G T P E, powers of 1024"
	n, i, err := v.digits()
	if err != nil {
		return 0, err
	}
	f, i, err := v.fraction(i)
	if err != nil {
		return 0, err
	}
	unit := int64(1)
	switch word := v.from(i).String(); word {
	case "", "b", "B":
	default:
		power := strings.IndexByte("kmgtpe", word[0]|0x20)
		switch strings.ToLower(word[1:]) {
		case "", "b", "i", "ib":
		default:
			power = -1
		}
		if power < 0 {
			return 0, v.fail(i, "there is no unit "+shown(word), hint)
		}
		unit <<= 10 * (power + 1)
	}
	size, _, ok := scaled(n, f, unit)
	if !ok {
		return 0, v.fail(0, "the size is too large", "")
	}
	return uint64(size), nil
}
