package getopt

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"
)

// CommandError is a command that does not exist.
type CommandError struct {
	Name    string
	Similar string // what might have been meant; empty if nothing is near
}

func (e *CommandError) Error() string {
	if e.Similar != "" {
		return fmt.Sprintf("unknown command %q, did you mean %q?", e.Name, e.Similar)
	}
	return fmt.Sprintf("unknown command %q", e.Name)
}

// Arrange puts args, of which the first is the program's name, in the form
// that app.Run reads: the program, its own flags, the command, its flags as
// --name=value, "--", and the operands. The first operand is the command; the
// app's own flags may stand behind it too, where the command has none of that
// name. It calls app.Setup. The error is an *Error or a *CommandError; cmd is
// the command as far as it was found, for a hint.
func Arrange(app *cli.App, args []string) (arranged []string, cmd *cli.Command, err error) {
	app.Setup() // adds the flags for help and version, and the help command
	s := scanner{options: Options(app.Flags), args: args[1:]}
	name, ok, err := s.operand()
	if err != nil {
		return nil, nil, err
	}
	if !ok && len(s.args) > 0 { // after "--"
		name, s.args, ok = s.args[0], s.args[1:], true
		s.args = append([]string{"--"}, s.args...)
	}
	arranged = append(arranged, args[0])
	if !ok {
		return appendFlags(arranged, s.flags), nil, nil
	}
	if cmd = app.Command(name); cmd == nil {
		return nil, nil, &CommandError{Name: name, Similar: Similar(name, commandNames(app))}
	}
	own := Options(cmd.Flags)
	if !cmd.HideHelp && cli.HelpFlag != nil { // which Run adds only later
		own = append(own, Options([]cli.Flag{cli.HelpFlag})...)
	}
	options := append(own, unshadowed(s.options, own)...)
	flags, operands, err := Parse(options, s.args)
	if err != nil {
		return nil, cmd, err
	}
	var local []Flag
	for _, f := range flags {
		if f.Option.Names[0] == "help" {
			operands = nil // Run would look for help on the first of them
		}
		if slices.ContainsFunc(own, func(o Option) bool { return o.Names[0] == f.Option.Names[0] }) {
			local = append(local, f)
		} else {
			s.flags = append(s.flags, f)
		}
	}
	arranged = append(appendFlags(arranged, s.flags), name)
	arranged = append(appendFlags(arranged, local), "--")
	return append(arranged, operands...), cmd, nil
}

// Options reads the definitions of flags. A flag that takes a value is one
// with TakesValue, as all of cli's have; OptionalValue, of our own, makes it optional.
func Options(flags []cli.Flag) []Option {
	options := make([]Option, len(flags))
	for i, f := range flags {
		options[i].Names = f.Names()
		if v, ok := f.(interface{ OptionalValue() bool }); ok && v.OptionalValue() {
			options[i].Value = Optional
		} else if v, ok := f.(interface{ TakesValue() bool }); ok && v.TakesValue() {
			options[i].Value = Required
		}
	}
	return options
}

// unshadowed returns those of options that have no name in common with own,
// and of the others the names that own has not.
func unshadowed(options, own []Option) []Option {
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

func appendFlags(args []string, flags []Flag) []string {
	for _, f := range flags {
		args = append(args, f.String())
	}
	return args
}

func commandNames(app *cli.App) []string {
	var names []string
	for _, c := range app.VisibleCommands() {
		names = append(names, c.Names()...)
	}
	return names
}
