// Package getopt reads arguments as getopt_long(3) does: flags anywhere before
// "--", short ones bundled (-ci) or with the value attached (-n5), long ones
// with "=", abbreviated where that is unambiguous, and values that are optional
// (--sync, --sync=5s). It knows nothing of what flags mean.
package getopt

import (
	"fmt"
	"slices"
	"strings"
)

// Value says whether a flag takes a value.
type Value int

// The three kinds of flags. An Optional value is only ever attached
// (--sync=5s): the next argument is never taken for it.
const (
	None Value = iota
	Required
	Optional
)

// Option is one flag. Names are without dashes; those of one byte are short.
// The first is the name under which the flag is handed on.
type Option struct {
	Names []string
	Value Value
}

// Flag is one flag as it was given: which option, and its value. HasValue is
// false where the option takes none, or an optional one was left out.
type Flag struct {
	Option   *Option
	Value    string
	HasValue bool
}

// String is the flag as urfave/cli and the standard library's flag read it.
func (f Flag) String() string {
	if f.HasValue {
		return "--" + f.Option.Names[0] + "=" + f.Value
	}
	return "--" + f.Option.Names[0]
}

// Error is an argument that cannot be understood.
type Error struct {
	Flag    string // as it was given, with its dashes and without a value
	Problem string // "unknown", "needs a value", "takes no value", "ambiguous"
	Similar string // what might have been meant; empty if nothing is near
}

func (e *Error) Error() string {
	switch e.Problem {
	case unknown:
		if e.Similar != "" {
			return fmt.Sprintf("unknown flag %s, did you mean %s?", e.Flag, e.Similar)
		}
		return "unknown flag " + e.Flag
	case ambiguous:
		return fmt.Sprintf("flag %s is ambiguous: %s", e.Flag, e.Similar)
	}
	return fmt.Sprintf("flag %s %s", e.Flag, e.Problem)
}

// Unknown reports whether there is no such flag.
func (e *Error) Unknown() bool { return e.Problem == unknown }

const (
	unknown    = "unknown"
	ambiguous  = "ambiguous"
	needsValue = "needs a value"
	noValue    = "takes no value"
)

// Parse reads all of args. Operands keep their order. The error is an *Error,
// about the first argument that is wrong.
func Parse(options []Option, args []string) (flags []Flag, operands []string, err error) {
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

// scanner goes through args from the front and collects the flags.
type scanner struct {
	options []Option
	args    []string // not yet read
	flags   []Flag
}

// operand reads up to and including the next argument that is no flag. At the
// end of args, or past "--", ok is false and s.args is the rest, operands all.
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
	if attached && o.Value == None {
		return &Error{Flag: "--" + name, Problem: noValue}
	}
	return s.add(o, "--"+name, value, attached)
}

// short reads a bundle: flags of one byte until one takes a value, which is
// the rest of the bundle.
func (s *scanner) short(bundle string) error {
	for bundle != "" {
		name := bundle[:1]
		bundle = bundle[1:]
		i := slices.IndexFunc(s.options, func(o Option) bool { return slices.Contains(o.Names, name) })
		if i < 0 {
			return s.unknownShort(name, bundle)
		}
		o := &s.options[i]
		if o.Value != None {
			return s.add(o, "-"+name, bundle, bundle != "")
		}
		s.flags = append(s.flags, Flag{Option: o})
	}
	return nil
}

// unknownShort names the whole character, where it is one of several bytes.
func (s *scanner) unknownShort(name, rest string) error {
	for _, r := range name + rest {
		return &Error{Flag: "-" + string(r), Problem: unknown, Similar: s.longOf(name + rest)}
	}
	return &Error{Flag: "-" + name, Problem: unknown}
}

// longOf is the flag that -word may stand for in the manner of find(1).
func (s *scanner) longOf(word string) string {
	for i := range s.options {
		if len(word) > 1 && slices.Contains(s.options[i].Names, word) {
			return "--" + word
		}
	}
	return ""
}

// add records a flag, and takes the next argument for the value that it needs.
func (s *scanner) add(o *Option, given, value string, attached bool) error {
	if !attached && o.Value == Required {
		if len(s.args) == 0 {
			return &Error{Flag: given, Problem: needsValue}
		}
		value, s.args, attached = s.args[0], s.args[1:], true
	}
	s.flags = append(s.flags, Flag{Option: o, Value: value, HasValue: attached})
	return nil
}

// lookup finds a long option by its name or by the beginning of it. A
// beginning that several names of one option share is not ambiguous.
func (s *scanner) lookup(name string) (*Option, error) {
	var found *Option
	var matches []string
	for i := range s.options {
		o := &s.options[i]
		for _, n := range o.Names {
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
	for i := range s.options {
		for _, n := range s.options[i].Names {
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
