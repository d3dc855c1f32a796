// Command indexctl asks indexd: it finds files, has directories listed again
// and tells what the daemon is doing. Each subcommand has a file of its own;
// each parses its flags, makes one call of package ipc and prints the answer.
//
// People wait for it, so it starts fast: what it may import is pinned by a test,
// and docs/benchmarks.md says what each import and each step costs. Look at
// GODEBUG=inittrace=1 before adding one: package net, net/http, os/user and the
// libraries for command lines are not among them.
package main

import (
	"fmt"
	"os"

	"indexd/ipc"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "devel"

func main() {
	p := &program{out: newOutput(os.Stdout), stderr: os.Stderr}
	os.Exit(p.run(calledLocate(os.Args)))
}

// program is one run of indexctl: where it prints, and what its flags say that
// all commands share.
type program struct {
	out    *output
	stderr *os.File
	globals
	status status // of a command that ended without an error
}

// run does what args ask for and returns the exit status.
func (p *program) run(args []string) int {
	cmd, err := p.dispatch(args[1:])
	if ferr := p.out.Flush(); ferr != nil && statusOf(err) == done {
		err = ferr
	}
	s := p.report(err, cmd)
	if cmd != nil && cmd.name == "locate" {
		s = locateStatus(s)
	}
	return int(s)
}

func (p *program) printVersion() error {
	fmt.Fprintln(p.out, "indexctl", version)
	return nil
}

// client is how the commands reach the daemon.
func (p *program) client() *ipc.Client {
	c := &ipc.Client{Version: version}
	if p.socket != "" {
		c.Sockets = []string{p.socket}
	}
	return c
}

// say prints a line on stderr. Control characters in it are escaped, so that it
// stays one line and no name can play tricks on the terminal.
func (p *program) say(format string, args ...any) {
	line := appendEscaped(nil, fmt.Appendf(nil, format, args...))
	p.stderr.Write(append(append([]byte("indexctl: "), line...), '\n'))
}
