package main

import (
	"fmt"
	"strings"
)

func (p *program) helpCommand() *command {
	roff := false
	return &command{
		usage: "show help, of a command or of all",
		takes: "[COMMAND]",
		flags: []*flag{{name: "manual", usage: "print the manual page, for man(1)", set: on(&roff)}},
		run: func(args []string) error {
			args, err := operands("help", args, 0, 1, "one COMMAND")
			if err != nil {
				return err
			}
			if roff {
				return p.printManual()
			}
			var cmd *command
			if len(args) > 0 {
				if cmd, err = p.command(args[0]); err != nil {
					return err
				}
			}
			p.printHelp(cmd)
			return nil
		},
	}
}

// printHelp prints how a command is used; nil: how indexctl is.
func (p *program) printHelp(cmd *command) {
	if cmd == nil {
		fmt.Fprint(p.out, "NAME:\n   indexctl - ask indexd, the live file index\n\n"+
			"USAGE:\n   indexctl [--socket PATH] COMMAND [FLAGS] [ARGUMENTS]\n\nCOMMANDS:\n")
		var lines [][2]string
		for _, m := range commands() {
			lines = append(lines, [2]string{m.name, m.make(p).usage})
		}
		p.printPairs(lines)
		fmt.Fprint(p.out, "\nGLOBAL OPTIONS:\n")
		p.printFlags(p.flags())
		return
	}
	fmt.Fprintf(p.out, "NAME:\n   indexctl %s - %s\n\nUSAGE:\n   %s\n", cmd.name, cmd.usage,
		strings.TrimRight("indexctl "+cmd.name+" [FLAGS] "+cmd.takes, " "))
	if cmd.about != "" {
		fmt.Fprintf(p.out, "\nDESCRIPTION:\n   %s\n", strings.ReplaceAll(cmd.about, "\n", "\n   "))
	}
	fmt.Fprint(p.out, "\nOPTIONS:\n")
	p.printFlags(withGlobal(cmd.flags, p.flags()))
}

func (p *program) printFlags(flags []*flag) {
	var lines [][2]string
	for _, f := range shown(flags) {
		lines = append(lines, [2]string{f.form(), f.usage})
	}
	p.printPairs(lines)
}

// printPairs prints two columns.
func (p *program) printPairs(lines [][2]string) {
	wide := 0
	for _, l := range lines {
		wide = max(wide, len(l[0]))
	}
	for _, l := range lines {
		fmt.Fprintf(p.out, "   %-*s  %s\n", wide, l[0], l[1])
	}
}
