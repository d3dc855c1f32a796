// Package cmdline runs the command lines of both programs. They are defined with
// urfave/cli/v2, whose flags are of type getopt.Flag; help and manual pages come from the
// same definitions.
package cmdline

import (
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"indexd/internal/getopt"
)

// Run runs app with args, of which the first is the program's name. Flags may stand where
// getopt_long(3) accepts them. commands returns the command of a name, or all of them if the
// name is empty; it is nil if the program has none. Making only the command asked for saves
// a tenth of the time of a short query. Errors about flags are of type *getopt.Error.
func Run(app *cli.App, args []string, commands func(name string) ([]*cli.Command, error)) error {
	configure(app)
	var global []getopt.Arg
	line, rest, flags := args[:1:1], args[1:], app.Flags
	var c *cli.Command
	if commands != nil {
		var name string
		var err error
		if global, name, rest, err = getopt.Command(Options(flags), rest); err != nil {
			return err
		}
		if app.Commands, err = commands(name); err != nil {
			return err
		}
		line = append(line, getopt.Canonical(global)...)
		if name != "" {
			c = app.Commands[0]
			c.HideHelp, c.OnUsageError = true, usageError
			line, flags = append(line, name), c.Flags
		}
	}
	given, operands, err := getopt.Parse(Options(flags), rest)
	if err != nil {
		return err
	}
	isHelp := func(a getopt.Arg) bool { return a.Option.Names()[0] == "help" }
	switch {
	case slices.ContainsFunc(given, isHelp), slices.ContainsFunc(global, isHelp):
		operands = nil // the library would take the first for the command to show the help of
	case c != nil:
		c.Flags = only(given)
	}
	return app.Run(slices.Concat(line, getopt.Canonical(given), []string{"--"}, operands))
}

// only returns the flags that were given, once each. For the others, the library would spend
// another tenth of the time of a short query on finding out that they were not.
func only(given []getopt.Arg) (flags []cli.Flag) {
	for _, a := range given {
		if f := a.Option.(cli.Flag); !slices.Contains(flags, f) {
			flags = append(flags, f)
		}
	}
	return flags
}

// configure sets how the library behaves.
func configure(app *cli.App) {
	app.Compiled = time.Unix(0, 0) // otherwise the library looks up the program's file
	app.HideVersion = true         // its flag would have the alias -v
	app.HideHelp = true            // a flag of our own has that name
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.OnUsageError = usageError
	for _, f := range app.Flags {
		if f.Names()[0] == "help" {
			cli.HelpFlag = f // the flag that the library reacts to
		}
	}
}

// usageError returns the error of the flag that was set wrongly, of which err is only a text.
func usageError(c *cli.Context, err error, _ bool) error {
	for _, f := range c.Command.Flags {
		if f := f.(*getopt.Flag); f.Err != nil {
			return f.Err
		}
	}
	return err
}

// Flags returns definitions as the library takes them.
func Flags(lists ...[]*getopt.Flag) []cli.Flag {
	var flags []cli.Flag
	for _, l := range lists {
		for _, f := range l {
			flags = append(flags, f)
		}
	}
	return flags
}

// Options returns flags as package getopt takes them.
func Options(flags []cli.Flag) []getopt.Option {
	list := make([]getopt.Option, len(flags))
	for i, f := range flags {
		list[i] = f.(getopt.Option)
	}
	return list
}
