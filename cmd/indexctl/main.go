// Command indexctl asks indexd: it finds files, has directories listed again
// and tells what the daemon is doing. Each subcommand has a file of its own;
// each parses its flags, makes one call of package ipc and prints the answer.
//
// People wait for it, so it starts fast. Medians of one run, from exec to exit:
// a program that prints a line 1.6 ms, one that asks at a unix socket through
// package net 2.2, "indexctl find -c x" 3.1, and without the build tag
// urfave_cli_no_docs 3.8. So build it with
//
//	go build -tags urfave_cli_no_docs ./cmd/indexctl
//
// and look at GODEBUG=inittrace=1 before adding an import: net, net/http and
// os/user are not among them.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"indexd/internal/getopt"
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
	socket string // --socket
	status status // of a command that ended without an error
}

// run does what args ask for and returns the exit status.
func (p *program) run(args []string) int {
	app := p.app()
	arranged, cmd, err := getopt.Arrange(app, args)
	if err == nil {
		onlyGiven(cmd, arranged)
		err = app.Run(arranged)
	}
	if ferr := p.out.Flush(); ferr != nil && statusOf(err) == done {
		err = ferr
	}
	s := p.report(err, cmd)
	if cmd != nil && cmd.Name == "locate" {
		s = locateStatus(s)
	}
	return int(s)
}

// onlyGiven takes from cmd the flags that are not in args, unless help is to
// show them. Theirs are the defaults already, and cli's time goes with the
// square of their number: for find a third of a millisecond.
func onlyGiven(cmd *cli.Command, args []string) {
	given := map[string]bool{}
	for _, arg := range args[1:] {
		if arg == "--" {
			break
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		given[name] = true
	}
	if cmd == nil || given["help"] {
		return
	}
	cmd.Flags = slices.DeleteFunc(cmd.Flags, func(f cli.Flag) bool {
		own, ok := f.(*flag)
		return ok && !given[own.name]
	})
}

// app defines what indexctl understands. Arguments are arranged by package
// getopt before they come here, and help and completions are made from these
// definitions.
func (p *program) app() *cli.App {
	showVersion := false
	a := &cli.App{
		Name:      "indexctl",
		Usage:     "ask indexd, the live file index",
		UsageText: "indexctl [--socket PATH] COMMAND [FLAGS] [ARGUMENTS]",
		Compiled:  time.Unix(0, 0), // else it is looked up with a stat
		Writer:    p.out,
		ErrWriter: p.stderr,
		// Errors come back from Run, and values are split where CLI flags say so.
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              flagError,
		DisableSliceFlagSeparator: true,
		Flags: []cli.Flag{
			&flag{
				name: "socket", value: "PATH", files: anyFile,
				usage: "where indexd listens (default: $INDEXD_SOCKET, else the user's socket, then the system's)",
				set:   text(&p.socket),
			},
			&flag{name: "version", usage: "print the version", set: on(&showVersion)}, // cli's has -v too
		},
		Before: func(*cli.Context) error {
			if showVersion {
				return p.printVersion()
			}
			return nil
		},
		Action: func(*cli.Context) error { return usagef("no command given") },
		Commands: []*cli.Command{
			p.findCommand(),
			p.locateCommand(),
			p.rescanCommand(),
			p.jobsCommand(),
			p.cancelCommand(),
			p.waitCommand(),
			p.statusCommand(),
			p.explainCommand(),
			p.checkCommand(),
			p.completionCommand(),
		},
	}
	for _, c := range a.Commands {
		c.HideHelpCommand = true // else "find help" would not look for "help"
		c.OnUsageError = flagError
	}
	return a
}

func (p *program) printVersion() error {
	fmt.Fprintln(p.out, "indexctl", version)
	return &exitError{status: done}
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
