// Command indexd keeps an index of the file system in a database and answers queries on a
// unix socket. It runs in the foreground, by hand or under systemd. indexctl is its client.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"indexd/internal/cmdline"
	"indexd/internal/config"
	"indexd/internal/getopt"
	"indexd/internal/indexer"
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
	fmt.Fprintf(os.Stderr, "indexd: %s\n", oneLine(userError{err}.Error()))
	switch {
	case o.status == statusInterrupted:
		return o.status
	case wrongFlag, errors.Is(err, config.ErrUsage):
		return statusUsage
	}
	return statusError
}

// oneLine escapes line breaks and everything else in text that is not printable, because
// names in it may contain any byte.
func oneLine(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case unicode.IsPrint(r) && (r != utf8.RuneError || n > 1):
			b.WriteRune(r)
		case n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = text[n:]
	}
	return b.String()
}
