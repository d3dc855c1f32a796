//go:build urfave_cli_no_docs

package cmdline

import (
	"io"

	"github.com/urfave/cli/v2"

	"indexd/internal/getopt"
)

// ManualFlags returns no flags; see the other build.
func ManualFlags(*bool) []*getopt.Flag { return nil }

// WriteManual is not called without the flag.
func WriteManual(io.Writer, *cli.App, int, string) error { return nil }
