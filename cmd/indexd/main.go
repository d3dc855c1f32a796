// Command indexd keeps an index of the file system: it lists what there is,
// keeps it in a database, and answers on a unix socket. It runs in the
// foreground, under systemd or by hand. indexctl asks it.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"indexd/internal/config"
	"indexd/internal/getopt"
	"indexd/internal/indexer"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "devel"

func main() { os.Exit(command(os.Args, nil)) }

// The exit statuses.
const (
	statusDone  = 0
	statusError = 1 // it could not run, or the database is not in order
	statusUsage = 2 // wrong flags

	statusInterrupted = 128 + 2 // by Ctrl-C, while it checked a database
)

// command does what args say and returns the exit status. tune, if it is not nil,
// is a test's: it may change what the indexer is made of.
func command(args []string, tune func(*indexer.Config)) int {
	o := options{tune: tune}
	app := o.app()
	flags, roots, err := getopt.Parse(getoptions(app.Flags), args[1:])
	if err == nil {
		arranged := args[:1:1]
		for _, f := range flags {
			arranged = append(arranged, f.String())
			if f.Option.Names[0] == "help" {
				roots = nil // cli would look for help on the first of them
			}
		}
		err = app.Run(append(append(arranged, "--"), roots...))
	} else {
		err = fmt.Errorf("%w (see \"indexd --help\")", err)
	}
	if err == nil {
		return o.status
	}
	fmt.Fprintf(os.Stderr, "indexd: %s\n", oneLine(plain{err}.Error()))
	if o.status == statusInterrupted {
		return o.status
	}
	var flag *getopt.Error
	if errors.As(err, &flag) || errors.Is(err, config.ErrUsage) {
		return statusUsage
	}
	return statusError
}

// app defines the flags, of which all but a few are settings, and what is done.
func (o *options) app() *cli.App {
	o.args = config.Args{Flags: make(map[string][]string), UID: os.Geteuid()}
	app := &cli.App{
		Name:      "indexd",
		Usage:     "keep an index of the file system",
		UsageText: "indexd [FLAGS] [ROOT...]",
		Description: "Indexes each ROOT with all below it, by default / as root, else the home directory, and\n" +
			"answers on a socket: see indexctl. Each flag is also a variable INDEXD_… of the environment\n" +
			"and a key of the configuration file; flag over environment over file.",
		Compiled:                  time.Unix(0, 0), // else it is looked up with a stat
		HideVersion:               true,            // its flag has -v too
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {}, // Run returns them
		OnUsageError:              func(_ *cli.Context, err error, _ bool) error { return err },
		Action: func(c *cli.Context) error {
			o.args.Roots = c.Args().Slice()
			return o.run()
		},
	}
	app.Flags = o.flags()
	app.Setup() // adds the flag for help
	return app
}

// oneLine escapes what would make more than one line of text, or play tricks on
// a terminal: names in it may have any byte.
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
