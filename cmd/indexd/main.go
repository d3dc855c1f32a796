// Command indexd keeps an index of the file system in a database and answers queries on a
// unix socket. It runs in the foreground, by hand or under systemd. indexctl is its client.
package main

import (
	"errors"
	"fmt"
	"os"

	"indexd/internal/cmdline"
	"indexd/internal/config"
	"indexd/internal/getopt"
	"indexd/internal/indexer"
	"indexd/internal/terminal"
)

func main() { os.Exit(command(os.Args, nil)) }

// The exit statuses.
const (
	statusDone  = 0
	statusError = 1 // indexd could not run, or the database is damaged
	statusUsage = 2 // wrong flags

	statusInterrupted = 128 + 2 // Ctrl-C during --verify-db
)

// command does what args ask for and returns the exit status. Tests use testHook, which may be
// nil, to change the configuration of the indexer.
func command(args []string, testHook func(*indexer.Config)) int {
	o := options{testHook: testHook}
	err := cmdline.Run(o.app(), args, nil)
	if err == nil {
		return o.status
	}
	var flag *getopt.Error
	wrongFlag := errors.As(err, &flag)
	if wrongFlag {
		err = fmt.Errorf("%w (see \"indexd --help\")", err)
	}
	fmt.Fprintf(os.Stderr, "indexd: %s\n", terminal.Escape(userError{err}.Error()))
	switch {
	case o.status == statusInterrupted:
		return o.status
	case wrongFlag, errors.Is(err, config.ErrUsage):
		return statusUsage
	}
	return statusError
}
