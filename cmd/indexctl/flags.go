package main

import (
	stdflag "flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// flag is every flag of indexctl: a cli.Flag that hands its values to set, in
// the order in which they were given, so that of two that contradict each other
// the last one counts. Help, package getopt and the completions of the shells
// read the same definition.
type flag struct {
	name     string   // long, without dashes; or, of a flag that has only that, one letter
	aliases  []string // in the order of help
	usage    string
	value    string   // what the value is called in help; "": the flag takes none
	optional bool     // the value may be left out; set then gets ""
	choices  []string // for completion: what the value may be
	files    files    // for completion: the value names a file
	hidden   bool     // accepted, and not in help
	set      func(value string) error

	names []string
	given bool
	err   error // set's, which the standard library's flag would wrap past recognition
}

// files says what kind of file names complete a value.
type files int

const (
	noFiles files = iota
	anyFile
	directories
)

// Names is cli.Flag's. The first is the one that package getopt hands on.
func (f *flag) Names() []string {
	if f.names == nil { // cli asks again and again
		f.names = append([]string{f.name}, f.aliases...)
	}
	return f.names
}

// Apply is cli.Flag's. Only the first name is defined: cli would call Set again
// for each synonym.
func (f *flag) Apply(set *stdflag.FlagSet) error {
	set.Var((*flagValue)(f), f.name, f.usage)
	return nil
}

// IsSet is cli.Flag's.
func (f *flag) IsSet() bool { return f.given }

// The methods of cli.DocGenerationFlag and cli.VisibleFlag.

func (f *flag) TakesValue() bool       { return f.value != "" }
func (f *flag) OptionalValue() bool    { return f.optional } // package getopt's
func (f *flag) GetUsage() string       { return f.usage }
func (f *flag) GetValue() string       { return "" }
func (f *flag) GetDefaultText() string { return "" }
func (f *flag) GetEnvVars() []string   { return nil }
func (f *flag) IsVisible() bool        { return !f.hidden }

// String is a line of help.
func (f *flag) String() string {
	var b strings.Builder
	for i, n := range f.Names() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(dashed(n))
		switch {
		case f.value == "" || len(n) == 1 && f.optional:
		case f.optional:
			b.WriteString("[=" + f.value + "]")
		default:
			b.WriteString(" " + f.value)
		}
	}
	return b.String() + "\t" + f.usage
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// flagValue is the flag as the standard library's flag package sees it.
type flagValue flag

func (v *flagValue) String() string   { return "" }
func (v *flagValue) IsBoolFlag() bool { return v.value == "" || v.optional }

// Set gets "true" for a flag without a value.
func (v *flagValue) Set(value string) error {
	if v.optional && value == "true" || v.value == "" {
		value = ""
	}
	v.given = true
	if err := v.set(value); err != nil {
		v.err = usagef("%s: %w", strings.TrimSpace(dashed(v.name)+" "+value), err)
		return v.err
	}
	return nil
}

// flagError is the OnUsageError of every command.
func flagError(c *cli.Context, err error, _ bool) error {
	for _, f := range c.Command.Flags {
		if f, ok := f.(*flag); ok && f.err != nil {
			return f.err
		}
	}
	return usagef("%w", err)
}

// What set does, for the common kinds of values.

func text(dst *string) func(string) error {
	return func(v string) error {
		if v == "" {
			return fmt.Errorf("the value is empty")
		}
		*dst = v
		return nil
	}
}

func on(dst *bool) func(string) error {
	return func(string) error { *dst = true; return nil }
}

func ignored(string) error { return nil }

// number takes a whole number that is at least least.
func number(dst *int, least int) func(string) error {
	return func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil {
			return fmt.Errorf("not a whole number")
		}
		if n < least {
			return fmt.Errorf("must be at least %d", least)
		}
		*dst = n
		return nil
	}
}

// duration takes what Go takes, and a bare number as seconds.
func duration(dst *time.Duration) func(string) error {
	return func(v string) error {
		d, err := time.ParseDuration(v)
		if secs, nerr := strconv.ParseUint(v, 10, 31); nerr == nil {
			d, err = time.Duration(secs)*time.Second, nil
		}
		if err != nil || d <= 0 {
			return fmt.Errorf(`not a duration such as "30s" or "2m"`)
		}
		*dst = d
		return nil
	}
}

// choice takes one of a few words.
func choice[T ~string](dst *T, choices []string) func(string) error {
	return func(v string) error {
		for _, c := range choices {
			if v == c {
				*dst = T(c)
				return nil
			}
		}
		return fmt.Errorf("must be one of %s", strings.Join(choices, ", "))
	}
}

// Flags that several commands have.

func jsonFlag(dst *bool) cli.Flag {
	return &flag{name: "json", usage: "print JSON, one object a line", set: on(dst)}
}

// operands checks how many there are: at least least, and at most most unless
// that is negative.
func operands(c *cli.Context, least, most int, what string) ([]string, error) {
	args := c.Args().Slice()
	switch {
	case len(args) < least:
		return nil, usagef("%s needs %s", c.Command.Name, what)
	case most == 0 && len(args) > 0:
		return nil, usagef("%s takes no arguments: %q", c.Command.Name, args[0])
	case most >= 0 && len(args) > most:
		return nil, usagef("%s takes only %s: %q", c.Command.Name, what, args[most])
	}
	for _, a := range args {
		if a == "" {
			return nil, usagef("an argument is empty")
		}
	}
	return args, nil
}
