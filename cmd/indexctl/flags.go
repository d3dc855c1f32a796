package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"indexd/internal/getopt"
)

// flag is every flag of indexctl. Its values are handed to set in the order in
// which they were given, so that of two that contradict each other the last one
// counts. Help, package getopt and the completions of the shells read the same
// definition.
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
}

// files says what kind of file names complete a value.
type files int

const (
	noFiles files = iota
	anyFile
	directories
)

// names are all that the flag is called by. The first is the one that package
// getopt hands on.
func (f *flag) names() []string { return append([]string{f.name}, f.aliases...) }

// options are flags as package getopt knows them.
func options(flags []*flag) []getopt.Option {
	list := make([]getopt.Option, len(flags))
	for i, f := range flags {
		list[i].Names = f.names()
		switch {
		case f.optional:
			list[i].Value = getopt.Optional
		case f.value != "":
			list[i].Value = getopt.Required
		}
	}
	return list
}

// given hands values to those of flags that they are of, and returns the rest.
func given(flags []*flag, values []getopt.Flag) (rest []getopt.Flag, err error) {
	for _, v := range values {
		i := slices.IndexFunc(flags, func(f *flag) bool { return f.name == v.Option.Names[0] })
		if i < 0 {
			rest = append(rest, v)
			continue
		}
		if err := flags[i].set(v.Value); err != nil {
			return nil, usagef("%s: %w", strings.TrimSpace(dashed(flags[i].name)+" "+v.Value), err)
		}
	}
	return rest, nil
}

// form is how the flag is written, for help.
func (f *flag) form() string {
	var b strings.Builder
	for i, n := range f.names() {
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
	return b.String()
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
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

func jsonFlag(dst *bool) *flag {
	return &flag{name: "json", usage: "print JSON, one object a line", set: on(dst)}
}

// operands checks how many there are: at least least, and at most most unless
// that is negative.
func operands(cmd string, args []string, least, most int, what string) ([]string, error) {
	switch {
	case len(args) < least:
		return nil, usagef("%s needs %s", cmd, what)
	case most == 0 && len(args) > 0:
		return nil, usagef("%s takes no arguments: %q", cmd, args[0])
	case most >= 0 && len(args) > most:
		return nil, usagef("%s takes only %s: %q", cmd, what, args[most])
	}
	for _, a := range args {
		if a == "" {
			return nil, usagef("an argument is empty")
		}
	}
	return args, nil
}
