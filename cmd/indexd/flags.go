package main

import (
	stdflag "flag"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"indexd/internal/config"
	"indexd/internal/getopt"
	"indexd/internal/indexer"
)

// options are what the command line says.
type options struct {
	args        config.Args
	verifyDB    bool
	showVersion bool
	showManual  bool
	status      int // to exit with, where there is no error
	tune        func(*indexer.Config)
}

// run does what was asked for.
func (o *options) run() error {
	if o.showVersion {
		_, err := fmt.Println("indexd", version)
		return err
	}
	if o.showManual {
		return o.printManual(os.Stdout)
	}
	cfg, err := config.Load(o.args)
	if err != nil {
		return err
	}
	if o.verifyDB {
		o.status, err = verify(cfg.DB, os.Stdout)
		return err
	}
	return serve(cfg, o.args, o.tune)
}

// flags are the settings, and what only a command line can ask for.
func (o *options) flags() []cli.Flag {
	add := func(name string) func(string) {
		return func(v string) { o.args.Flags[name] = append(o.args.Flags[name], v) }
	}
	flags := []cli.Flag{&flag{
		name: "config", value: "FILE", set: add("config"),
		usage: "the configuration (/etc/indexd/indexd.toml, or a user's ~/.config/indexd/indexd.toml)",
	}}
	for _, s := range config.Settings() {
		f := &flag{name: s.Name, value: s.Value, usage: s.Usage, set: add(s.Name)}
		if s.Choices != nil {
			f.value = strings.Join(s.Choices, "|")
		}
		if s.List {
			f.usage += "; repeats add, an empty value clears"
		}
		flags = append(flags, f)
	}
	return append(flags,
		&flag{name: "verify-db", usage: "check the database, which no daemon has open, and exit", set: func(string) { o.verifyDB = true }},
		&flag{name: "manual", usage: "print the manual page, for man(1)", set: func(string) { o.showManual = true }},
		&flag{name: "version", usage: "print the version", set: func(string) { o.showVersion = true }},
	)
}

// flag is a cli.Flag that hands on its values in the order given.
type flag struct {
	name, usage string
	value       string // what its value is called; "": it takes none
	set         func(string)
	given       bool
}

// The methods of cli.Flag, cli.DocGenerationFlag and cli.VisibleFlag.

func (f *flag) Names() []string        { return []string{f.name} }
func (f *flag) IsSet() bool            { return f.given }
func (f *flag) TakesValue() bool       { return f.value != "" }
func (f *flag) GetUsage() string       { return f.usage }
func (f *flag) GetValue() string       { return "" }
func (f *flag) GetDefaultText() string { return "" }
func (f *flag) GetEnvVars() []string   { return nil }
func (f *flag) IsVisible() bool        { return true }

// Apply is cli.Flag's.
func (f *flag) Apply(set *stdflag.FlagSet) error {
	set.Var((*flagValue)(f), f.name, f.usage)
	return nil
}

// String is a line of help.
func (f *flag) String() string {
	return strings.TrimSuffix("--"+f.name+" "+f.value, " ") + "\t" + f.usage
}

// flagValue is the flag as the standard library's package sees it.
type flagValue flag

func (v *flagValue) String() string   { return "" }
func (v *flagValue) IsBoolFlag() bool { return v.value == "" }

func (v *flagValue) Set(value string) error {
	v.given = true
	v.set(value)
	return nil
}

// getoptions are the flags as package getopt knows them. One that takes a value
// has TakesValue, as all of cli's have.
func getoptions(flags []cli.Flag) []getopt.Option {
	options := make([]getopt.Option, len(flags))
	for i, f := range flags {
		options[i].Names = f.Names()
		if v, ok := f.(interface{ TakesValue() bool }); ok && v.TakesValue() {
			options[i].Value = getopt.Required
		}
	}
	return options
}
