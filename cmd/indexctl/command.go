package main

import (
	"fmt"

	"indexd/internal/getopt"
)

// command is one of indexctl's: what it is called, takes and does. Parsing, help
// and completions read this one definition.
type command struct {
	name  string
	usage string // what it does, in a line
	takes string // its arguments, for help; "": none
	about string
	flags []*flag
	run   func(args []string) error
}

// commands are all that there are, in the order of help. One is made when it is
// asked for: the flags of all together take as long as connecting.
func commands() []maker {
	return []maker{
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

type maker struct {
	name string
	make func(*program) *command
}

func (m maker) command(p *program) *command {
	c := m.make(p)
	c.name = m.name
	return c
}

// command is the command of that name; the error is a commandError.
func (p *program) command(name string) (*command, error) {
	var names []string
	for _, m := range commands() {
		if m.name == name {
			return m.command(p), nil
		}
		names = append(names, m.name)
	}
	return nil, &commandError{name, getopt.Similar(name, names)}
}

// commandError is a command that does not exist.
type commandError struct {
	name    string
	similar string // what might have been meant; empty if nothing is near
}

func (e *commandError) Error() string {
	if e.similar != "" {
		return fmt.Sprintf("unknown command %q, did you mean %q?", e.name, e.similar)
	}
	return fmt.Sprintf("unknown command %q", e.name)
}

// globals are what the flags of no command say.
type globals struct {
	socket        string
	version, help bool
}

// flags are those that may stand anywhere.
func (p *program) flags() []*flag {
	return []*flag{
		{name: "socket", value: "PATH", files: anyFile, set: text(&p.socket),
			usage: "where indexd listens (default: $INDEXD_SOCKET, else the user's socket, then the system's)"},
		{name: "version", usage: "print the version", set: on(&p.version)},
		{name: "help", aliases: []string{"h"}, usage: "show help", set: on(&p.help)},
	}
}

// dispatch reads args, without the program's name, and does what they ask for.
// cmd is the command as far as it was found, for a hint.
func (p *program) dispatch(args []string) (cmd *command, err error) {
	all := p.flags()
	global := options(all)
	values, name, args, err := getopt.Command(global, args)
	if err != nil {
		return nil, err
	}
	if name == "" {
		if _, err := given(all, values); err != nil {
			return nil, err
		}
		switch {
		case p.version:
			return nil, p.printVersion()
		case p.help:
			p.printHelp(nil)
			return nil, nil
		}
		return nil, usagef("no command given")
	}
	if cmd, err = p.command(name); err != nil {
		return nil, err
	}
	own := options(cmd.flags)
	later, args, err := getopt.Parse(append(own, getopt.Unshadowed(global, own)...), args)
	if err != nil {
		return cmd, err
	}
	if later, err = given(cmd.flags, later); err == nil {
		_, err = given(all, append(values, later...))
	}
	switch {
	case err != nil:
		return cmd, err
	case p.version:
		return cmd, p.printVersion()
	case p.help:
		p.printHelp(cmd)
		return cmd, nil
	}
	return cmd, cmd.run(args)
}
