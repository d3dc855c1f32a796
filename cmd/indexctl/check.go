package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"indexd/cmd/indexctl/internal/console"
	"indexd/internal/cmdline"
	"indexd/internal/getopt"
	"indexd/ipc/wire"
)

func (p *program) checkCommand() *cli.Command {
	var repair bool
	return &cli.Command{
		Usage:     "compare the index with the file system",
		ArgsUsage: "[PATH]",
		Description: "Prints every difference as \"created\", \"removed\" or \"modified\" and the path: what the index\n" +
			"has missed. Watched directories are brought up to date first, so a difference there is an\n" +
			"error of the index. The exit status is 1 if there are differences.",
		Flags: cmdline.Flags([]*getopt.Flag{
			{Name: "repair", Usage: "also correct the index", Set: getopt.On(&repair)},
		}),
		Action: func(c *cli.Context) error {
			args, err := operands(c, 0, 1, "one PATH")
			if err != nil {
				return err
			}
			req := &wire.CheckRequest{Repair: repair}
			if len(args) > 0 {
				if req.Path, err = absoluteTree(args[0]); err != nil {
					return err
				}
			}
			return p.check(req)
		},
	}
}

func (p *program) check(req *wire.CheckRequest) error {
	shown := newProgress(p.Stderr)
	result, err := p.Client().Check(context.Background(), req, func(d *wire.Difference) error {
		shown.clear()
		if d.Change == wire.DiffError {
			p.Say("%s: %s", d.Path, d.Detail)
			return nil
		}
		b := append(p.Out.Buffer(), d.Change...)
		b = append(b, ' ')
		b = p.Out.AppendText(b, []byte(d.Path))
		if len(d.Fields) > 0 {
			b = fmt.Appendf(b, " (%s)", strings.Join(d.Fields, ", "))
		}
		if req.Repair && !d.Repaired {
			b = append(b, ", not repaired"...)
		}
		return p.Out.Append(append(b, '\n'))
	}, shown.checked)
	shown.clear()
	if req.Path != "" && (errors.Is(err, wire.ErrNotFound) || errors.Is(err, wire.ErrInternal)) {
		return fmt.Errorf("%s: %w", req.Path, err)
	}
	if err != nil {
		return err
	}
	if result.Error != nil {
		return result.Error
	}
	if err := p.Out.Flush(); err != nil {
		return err
	}
	if result.Differences > 0 {
		p.Status = console.Nothing
		line := counted(result.Differences, "difference", "differences")
		if req.Repair {
			line += ", " + counted(result.Repaired, "repaired", "repaired")
		}
		p.Say("%s in %s", line, counted(result.Dirs, "directory", "directories"))
	}
	return nil
}
