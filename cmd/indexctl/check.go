package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"indexd/ipc/wire"
)

func (p *program) checkCommand() *command {
	var repair bool
	return &command{
		usage: "compare the index with the file system",
		takes: "[PATH]",
		about: "Prints where they differ, as what the index has to learn: created, removed or\n" +
			"modified, and the path. What is watched is brought up to date first, so that\n" +
			"a difference there is a mistake of the index. Exits with 1 if there are some.",
		flags: []*flag{
			{name: "repair", usage: "mend the index too", set: on(&repair)},
		},
		run: func(args []string) error {
			args, err := operands("check", args, 0, 1, "one PATH")
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
	shown := newProgress(p.stderr)
	result, err := p.client().Check(context.Background(), req, func(d *wire.Difference) error {
		shown.clear()
		if d.Change == wire.DiffError {
			p.say("%s: %s", d.Path, d.Detail)
			return nil
		}
		b := append(p.out.Buffer(), d.Change...)
		b = append(b, ' ')
		b = p.out.appendText(b, []byte(d.Path))
		if len(d.Fields) > 0 {
			b = append(b, " ("...)
			b = append(b, strings.Join(d.Fields, ", ")...)
			b = append(b, ')')
		}
		if req.Repair && !d.Repaired {
			b = append(b, ", not repaired"...)
		}
		return p.out.Append(append(b, '\n'))
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
	if err := p.out.Flush(); err != nil {
		return err
	}
	if result.Differences > 0 {
		p.status = nothing
		line := counted(result.Differences, "difference", "differences")
		if req.Repair {
			line += ", " + counted(result.Repaired, "repaired", "repaired")
		}
		p.say("%s in %s", line, counted(result.Dirs, "directory", "directories"))
	}
	return nil
}
