package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"indexd/cmd/indexctl/internal/console"
	"indexd/cmd/indexctl/internal/locate"
	"indexd/internal/cmdline"
	"indexd/internal/getopt"
)

// subcommands lists all subcommands in the order of help.
func subcommands() []subcommand {
	return []subcommand{
		{"find", (*program).findCommand},
		{"locate", (*program).locateCommand},
		{"rescan", (*program).rescanCommand},
		{"jobs", (*program).jobsCommand},
		{"cancel", (*program).cancelCommand},
		{"wait", (*program).waitCommand},
		{"status", (*program).statusCommand},
		{"explain", (*program).explainCommand},
		{"check", (*program).checkCommand},
		{"completion", (*program).completionCommand},
		{"help", (*program).helpCommand},
	}
}

// subcommand defines a subcommand when it is needed, because defining all of them takes as
// long as connecting to the daemon.
type subcommand struct {
	name   string
	define func(*program) *cli.Command
}

// app returns the definition of indexctl without its subcommands.
func (p *program) app() *cli.App {
	return &cli.App{
		Name:      "indexctl",
		Usage:     "query indexd, the live file index",
		UsageText: "indexctl [--socket PATH] COMMAND [FLAGS] [ARGUMENTS]",
		Flags:     cmdline.Flags(p.Flags()),
		Writer:    p.Out,
		Action: p.action(func(*cli.Context) error {
			return console.Usagef("no command given")
		}),
	}
}

// commands returns the subcommand of that name, or all of them if the name is empty.
func (p *program) commands(name string) (list []*cli.Command, err error) {
	var names []string
	for _, s := range subcommands() {
		names = append(names, s.name)
		if name != "" && s.name != name {
			continue
		}
		c := s.define(p)
		c.Name = s.name
		c.UsageText = strings.TrimRight("indexctl "+c.Name+" [FLAGS] "+c.ArgsUsage, " ")
		c.Flags = append(c.Flags, cmdline.Flags(p.Flags())...)
		c.Action = p.action(c.Action)
		list = append(list, c)
	}
	switch {
	case name == "":
	case len(list) > 0:
		p.command, p.takes = name, list[0].ArgsUsage
	default:
		if similar := getopt.Similar(name, names); similar != "" {
			return nil, console.Usagef("unknown command %q, did you mean %q?", name, similar)
		}
		return nil, console.Usagef("unknown command %q", name)
	}
	return list, nil
}

// action returns an action that does what --version asks for instead, if that was given.
func (p *program) action(do cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		if p.ShowVersion {
			p.PrintVersion()
			return nil
		}
		return do(c)
	}
}

func (p *program) helpCommand() *cli.Command {
	manual := false
	return &cli.Command{
		Usage:     "show help for all commands or for one",
		ArgsUsage: "[COMMAND]",
		Flags:     cmdline.Flags(cmdline.ManualFlags(&manual)),
		Action: func(c *cli.Context) error {
			args, err := operands(c, 0, 1, "one COMMAND")
			switch {
			case err != nil:
				return err
			case manual:
				return p.printManual()
			}
			line := []string{"indexctl", "--help"}
			if len(args) > 0 {
				if _, err := p.commands(args[0]); err != nil {
					return err
				}
				line = append(line, args[0])
			}
			return cmdline.Run(p.app(), line, p.commands)
		},
	}
}

// locateCommand defines locate for help and completion, and for the rare case that flags of
// indexctl stand before it. Otherwise package locate runs before main.
func (p *program) locateCommand() *cli.Command {
	l := locate.New(p.Console)
	return &cli.Command{
		Usage:     "find paths as plocate(1) does",
		ArgsUsage: locate.Takes,
		Description: "Prints the paths that match every PATTERN: a text, or a glob on the whole path if it\n" +
			"contains any of * ? [ ]. Here * also matches '/'. Flags, output and exit status are those\n" +
			"of plocate, except for the order. indexctl can also be called as \"locate\".",
		Flags: cmdline.Flags(l.Flags()),
		Action: func(c *cli.Context) error {
			return l.Run(c.Args().Slice())
		},
	}
}

// jsonFlag is a flag of several commands.
func jsonFlag(dst *bool) *getopt.Flag {
	return &getopt.Flag{Name: "json", Usage: "print JSON, one object per line", Set: getopt.On(dst)}
}

// operands returns a command's operands after checking that there are at least least and, if
// most is not negative, at most most of them, and that none is empty. what names them in
// errors.
func operands(c *cli.Context, least, most int, what string) ([]string, error) {
	args, cmd := c.Args().Slice(), c.Command.Name
	switch {
	case len(args) < least:
		return nil, console.Usagef("%s needs %s", cmd, what)
	case most == 0 && len(args) > 0:
		return nil, console.Usagef("%s takes no arguments: %q", cmd, args[0])
	case most >= 0 && len(args) > most:
		return nil, console.Usagef("%s takes only %s: %q", cmd, what, args[most])
	}
	for _, a := range args {
		if a == "" {
			return nil, console.Usagef("an argument is empty")
		}
	}
	return args, nil
}
