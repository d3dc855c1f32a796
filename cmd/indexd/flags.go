package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"indexd/internal/cmdline"
	"indexd/internal/config"
	"indexd/internal/getopt"
	"indexd/internal/indexer"
	"indexd/internal/version"
	"indexd/ipc"
)

// options are the values of the command line.
type options struct {
	args        config.Args
	verifyDB    bool
	showVersion bool
	showManual  bool
	status      int // exit status if there is no error
	testHook    func(*indexer.Config)
}

// app returns the definition of the command line. Most flags are settings.
func (o *options) app() *cli.App {
	o.args = config.Args{Flags: make(map[string][]string), UID: os.Geteuid(), UserSocket: ipc.UserSocket()}
	return &cli.App{
		Name:      "indexd",
		Usage:     "keep an index of the file system",
		UsageText: "indexd [FLAGS] [ROOT...]",
		Description: "Indexes each ROOT and everything below it (default: / as root, otherwise the home directory)\n" +
			"and answers queries of indexctl on a socket. Each setting can also be given as an environment\n" +
			"variable INDEXD_... and as a key of the configuration file. Flags take precedence over the\n" +
			"environment, and the environment over the file.",
		Flags: cmdline.Flags(o.settings(), cmdline.ManualFlags(&o.showManual), []*getopt.Flag{
			{Name: "verify-db", Usage: "check the database, which no daemon may have open, and exit", Set: getopt.On(&o.verifyDB)},
			{Name: "version", Usage: "print the version", Set: getopt.On(&o.showVersion)},
			{Name: "help", Aliases: []string{"h"}, Usage: "show help", Set: getopt.Ignored},
		}),
		Action: func(c *cli.Context) error {
			o.args.Roots = c.Args().Slice()
			return o.run()
		},
	}
}

// settings returns a flag for each setting.
func (o *options) settings() []*getopt.Flag {
	add := func(name string) func(string) error {
		return func(v string) error {
			o.args.Flags[name] = append(o.args.Flags[name], v)
			return nil
		}
	}
	flags := []*getopt.Flag{{
		Name: "config", Value: "FILE", Set: add("config"), EnvVar: "INDEXD_CONFIG",
		Usage: "the configuration file (default: /etc/indexd/indexd.toml as root, otherwise ~/.config/indexd/indexd.toml)",
	}}
	for _, s := range config.Settings() {
		f := &getopt.Flag{Name: s.Name, Value: s.Value, Usage: s.Usage, Set: add(s.Name), EnvVar: s.Variable()}
		if s.Choices != nil {
			f.Value = strings.Join(s.Choices, "|")
		}
		if s.List {
			f.Usage += "; repeats add, an empty value clears"
		}
		flags = append(flags, f)
	}
	return flags
}

// run does what the flags ask for.
func (o *options) run() error {
	if o.showVersion {
		_, err := fmt.Println("indexd", version.Version)
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
	return serve(cfg, o.args, o.testHook)
}
