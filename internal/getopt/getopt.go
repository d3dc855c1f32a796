// Package getopt reads arguments as getopt_long(3) does: flags may stand anywhere before
// "--", short ones can be bundled (-ci) or have their value attached (-n5), and long ones
// take their value after "=" or as the next argument and can be abbreviated as long as
// that is unambiguous. Package flag, on which urfave/cli is built, supports neither flags after
// operands nor bundles, attached values and abbreviations, so Canonical rewrites the flags for
// it. Only locate uses the result of Parse directly.
package getopt

import (
	"fmt"
	"slices"
	"strings"
)

// Option is what the package needs to know of a flag. Every flag of urfave/cli is one.
type Option interface {
	Names() []string // without dashes; names of one byte are short
	TakesValue() bool
}

// optional reports whether the value of o can be left out. Such a value is only accepted
// attached (--sync=5s); the next argument is never taken for it.
func optional(o Option) bool {
	v, ok := o.(interface{ ValueOptional() bool })
	return ok && v.ValueOptional()
}

// Arg is one flag as it was given.
type Arg struct {
	Option   Option
	Value    string
	HasValue bool // false if the option takes no value or an optional value was left out
}

// String returns the flag in canonical form: by its first name, with the value attached.
func (a Arg) String() string {
	name := "--" + a.Option.Names()[0]
	if a.HasValue {
		return name + "=" + a.Value
	}
	return name
}

// Canonical returns flags in the form that package flag reads: each by its first name, with
// its value attached. A value that was left out is empty.
func Canonical(flags []Arg) []string {
	list := make([]string, len(flags), len(flags)+8)
	for i, f := range flags {
		f.HasValue = f.HasValue || f.Option.TakesValue()
		list[i] = f.String()
	}
	return list
}

// Command splits the arguments of a program with subcommands at the first operand, which is
// the name of the subcommand; it is empty if there is none. rest is the subcommand's
// arguments.
func Command(options []Option, args []string) (flags []Arg, name string, rest []string, err error) {
	s := scanner{options: options, args: args}
	name, ok, err := s.operand()
	switch {
	case err != nil:
		return nil, "", nil, err
	case !ok && len(s.args) > 0: // after "--"
		return s.flags, s.args[0], append([]string{"--"}, s.args[1:]...), nil
	}
	return s.flags, name, s.args, nil
}

// Error is a flag that does not exist, is ambiguous, or has a wrong value.
type Error struct {
	Flag    string // as it was given, with its dashes and without a value
	Problem string // "unknown", "needs a value", "takes no value", "ambiguous"
	Similar string // a flag that may have been meant, or "" if none is close
	Missing Option // if it needs a value: the option
	Err     error  // from Flag.Set, in which case Flag includes the value
}

func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string {
	switch {
	case e.Err != nil:
		return e.Flag + ": " + e.Err.Error()
	case e.Problem == unknown:
		if e.Similar != "" {
			return fmt.Sprintf("unknown flag %s, did you mean %s?", e.Flag, e.Similar)
		}
		return "unknown flag " + e.Flag
	case e.Problem == ambiguous:
		return fmt.Sprintf("flag %s is ambiguous: %s", e.Flag, e.Similar)
	}
	return fmt.Sprintf("flag %s %s", e.Flag, e.Problem)
}

// Unknown reports whether the flag does not exist.
func (e *Error) Unknown() bool { return e.Problem == unknown }

const (
	unknown    = "unknown"
	ambiguous  = "ambiguous"
	needsValue = "needs a value"
	noValue    = "takes no value"
)

// Parse separates args into flags and operands, each in the order given. The error is an
// *Error about the first wrong argument.
func Parse(options []Option, args []string) (flags []Arg, operands []string, err error) {
	s := scanner{options: options, args: args}
	for {
		switch word, ok, err := s.operand(); {
		case err != nil:
			return nil, nil, err
		case !ok:
			return s.flags, append(operands, s.args...), nil
		default:
			operands = append(operands, word)
		}
	}
}

// scanner consumes args from the front and collects the flags.
type scanner struct {
	options []Option
	args    []string // not yet read
	flags   []Arg
}

// operand reads up to and including the next operand. At the end of args or after "--", ok
// is false, and all that remains in s.args are operands.
func (s *scanner) operand() (word string, ok bool, err error) {
	for len(s.args) > 0 {
		arg := s.args[0]
		s.args = s.args[1:]
		switch {
		case arg == "--":
			return "", false, nil
		case strings.HasPrefix(arg, "--"):
			err = s.long(arg[2:])
		case len(arg) > 1 && arg[0] == '-':
			err = s.short(arg[1:])
		default:
			return arg, true, nil
		}
		if err != nil {
			return "", false, err
		}
	}
	return "", false, nil
}

func (s *scanner) long(arg string) error {
	name, value, attached := strings.Cut(arg, "=")
	o, err := s.lookup(name)
	if err != nil {
		return err
	}
	if attached && !o.TakesValue() {
		return &Error{Flag: "--" + name, Problem: noValue}
	}
	return s.add(o, "--"+name, value, attached)
}

// short reads a bundle of one-byte flags. The first that takes a value takes the rest of
// the bundle.
func (s *scanner) short(bundle string) error {
	for bundle != "" {
		name := bundle[:1]
		bundle = bundle[1:]
		i := slices.IndexFunc(s.options, func(o Option) bool { return slices.Contains(o.Names(), name) })
		if i < 0 {
			return s.unknownShort(name, bundle)
		}
		o := s.options[i]
		if o.TakesValue() {
			return s.add(o, "-"+name, bundle, bundle != "")
		}
		s.flags = append(s.flags, Arg{Option: o})
	}
	return nil
}

// unknownShort returns the error for an unknown short flag. It names the whole character if
// that has several bytes.
func (s *scanner) unknownShort(name, rest string) error {
	for _, r := range name + rest {
		return &Error{Flag: "-" + string(r), Problem: unknown, Similar: s.longOf(name + rest)}
	}
	return &Error{Flag: "-" + name, Problem: unknown}
}

// longOf returns the long flag that was probably meant by -word, as find(1) writes it, or "".
func (s *scanner) longOf(word string) string {
	for _, o := range s.options {
		if len(word) > 1 && slices.Contains(o.Names(), word) {
			return "--" + word
		}
	}
	return ""
}

// add records a flag. If it needs a value and none is attached, that is the next argument.
func (s *scanner) add(o Option, given, value string, attached bool) error {
	if !attached && o.TakesValue() && !optional(o) {
		if len(s.args) == 0 {
			return &Error{Flag: given, Problem: needsValue, Missing: o}
		}
		value, s.args, attached = s.args[0], s.args[1:], true
	}
	s.flags = append(s.flags, Arg{Option: o, Value: value, HasValue: attached})
	return nil
}

// lookup finds a long option by its name or by a prefix of it. A prefix that only names of
// one option share is not ambiguous.
func (s *scanner) lookup(name string) (Option, error) {
	var found Option
	var matches []string
	for _, o := range s.options {
		for _, n := range o.Names() {
			switch {
			case len(n) == 1:
			case n == name:
				return o, nil
			case strings.HasPrefix(n, name) && name != "":
				if found != o {
					matches = append(matches, "--"+n)
				}
				found = o
			}
		}
	}
	switch len(matches) {
	case 0:
		return nil, &Error{Flag: "--" + name, Problem: unknown, Similar: s.similar(name)}
	case 1:
		return found, nil
	}
	slices.Sort(matches)
	return nil, &Error{Flag: "--" + name, Problem: ambiguous, Similar: strings.Join(matches, ", ")}
}

func (s *scanner) similar(name string) string {
	var long []string
	for _, o := range s.options {
		for _, n := range o.Names() {
			if len(n) > 1 {
				long = append(long, n)
			}
		}
	}
	if n := Similar(name, long); n != "" {
		return "--" + n
	}
	return ""
}
