package getopt

import "slices"

// Command reads the arguments of a program with commands, up to and including
// the first operand, which is the command's name; "" where there is none. flags
// are those before it, rest is for Parse, with the options of the command and
// those of the program that are Unshadowed by them.
func Command(options []Option, args []string) (flags []Flag, name string, rest []string, err error) {
	s := scanner{options: options, args: args}
	name, ok, err := s.operand()
	switch {
	case err != nil:
		return nil, "", nil, err
	case !ok && len(s.args) > 0: // behind "--"
		return s.flags, s.args[0], append([]string{"--"}, s.args[1:]...), nil
	}
	return s.flags, name, s.args, nil
}

// Unshadowed returns those of options that have no name in common with own,
// and of the others the names that own has not.
func Unshadowed(options, own []Option) []Option {
	taken := func(name string) bool {
		return slices.ContainsFunc(own, func(o Option) bool { return slices.Contains(o.Names, name) })
	}
	var left []Option
	for _, o := range options {
		if taken(o.Names[0]) {
			continue // handed on by this name it would be the command's
		}
		o.Names = slices.DeleteFunc(slices.Clone(o.Names), taken)
		left = append(left, o)
	}
	return left
}
