package main

import (
	_ "embed"
	"io"

	"indexd/internal/cmdline"
)

// printManual prints the manual page.
func (o *options) printManual(w io.Writer) error {
	app := o.app()
	app.Description += "\n\nindexd runs in the foreground, by hand or as a service of systemd(1): indexd.service, for the system or for a user."
	return cmdline.WriteManual(w, app, 8, manualSections)
}

// manualSections are the sections of the manual page that no definition contains.
//
//go:embed manual.md
var manualSections string
