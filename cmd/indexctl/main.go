// Command indexctl asks indexd: it finds files, has directories listed again and shows what
// the daemon is doing. Each subcommand has its own file, which defines its flags, makes one
// call of package ipc and prints the answer.
//
// Start-up time is part of the answer's time, so TestImports pins what the program may
// import, and docs/benchmarks.md lists what each import and each step costs. Look at
// GODEBUG=inittrace=1 before adding one.
package main

import (
	"os"

	"indexd/cmd/indexctl/internal/console"
	"indexd/cmd/indexctl/internal/locate"
	"indexd/internal/cmdline"
)

func main() {
	p := &program{Console: console.New()}
	os.Exit(int(p.run(locate.Args(os.Args))))
}

// program is one run of indexctl.
type program struct {
	*console.Console
	command, takes string // the subcommand that was asked for, and its operands, for error messages
}

// run does what args ask for and returns the exit status.
func (p *program) run(args []string) console.Status {
	err := cmdline.Run(p.app(), args, p.commands)
	s := p.End(err, p.command, p.takes)
	if p.command == "locate" {
		s = locate.Status(s)
	}
	return s
}
