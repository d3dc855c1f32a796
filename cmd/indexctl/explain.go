package main

import (
	"context"
	"strconv"

	"github.com/urfave/cli/v2"

	"indexd/ipc/wire"
)

func (p *program) explainCommand() *cli.Command {
	return &cli.Command{
		Usage:     "show what the index knows about a path",
		ArgsUsage: "PATH",
		Description: "Shows whether PATH is indexed and if not, why; how changes to it are noticed; and when it\n" +
			"was last listed.",
		Action: func(c *cli.Context) error {
			args, err := operands(c, 1, 1, "one PATH")
			if err != nil {
				return err
			}
			path, err := absolute(args[0])
			if err != nil {
				return err
			}
			e, err := p.Client().Explain(context.Background(), path)
			if err != nil {
				return err
			}
			p.printExplanation(&e)
			return nil
		},
	}
}

func (p *program) printExplanation(e *wire.Explanation) {
	var t table
	add := func(label, text string) {
		if text != "" {
			t.row(label, text)
		}
	}
	add("path", e.Path)
	add("indexed", map[bool]string{true: "yes", false: "no"}[e.Indexed])
	add("reason", e.Reason)
	add("rule", e.Rule)
	add("type", typeNames[e.Type])
	hidden := e.Indexed && e.Type == "d" && e.Coverage == "" // the caller may not read the directory
	if e.Type == "d" && e.Indexed && !hidden {
		add("entries", strconv.FormatInt(e.Entries, 10))
	}
	add("root", e.Root)
	add("volume", e.Volume)
	add("changes", coverageNames[e.Coverage])
	if e.Pending {
		add("pending", "yes, it will be listed again")
	}
	if e.Indexed && !hidden || e.Listed != nil {
		add("listed", stampOr(e.Listed, "never"))
	}
	if e.Error != "" {
		when := ""
		if e.ErrorAt != nil {
			when = " (" + stamp(*e.ErrorAt) + ")"
		}
		add("error", e.Error+when)
	}
	for _, n := range e.Notes {
		add("note", n)
	}
	t.print(p.Out)
}

var typeNames = map[string]string{
	"f": "file", "d": "directory", "l": "symbolic link", "s": "socket",
	"p": "pipe", "b": "block device", "c": "character device",
}

var coverageNames = map[string]string{
	"watched": "noticed at once (watched)",
	"swept":   "checked periodically (swept)",
	"none":    "not checked",
}
