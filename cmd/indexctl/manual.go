package main

import (
	_ "embed"

	"indexd/internal/cmdline"
)

// printManual prints the manual page.
func (p *program) printManual() (err error) {
	app := p.app()
	app.Description = "indexctl queries indexd(8), which keeps an index of all files up to date as they change. Answers " +
		"come from the index, not from the disk.\n\n" +
		"Flags may stand anywhere before \"--\", short ones bundled or with their value attached."
	if app.Commands, err = p.commands(""); err != nil {
		return err
	}
	return cmdline.WriteManual(p.Out, app, 1, manualSections)
}

// manualSections are the sections of the manual page that no definition contains.
//
//go:embed manual.md
var manualSections string
