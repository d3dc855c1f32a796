package main

import (
	"io"
	"strings"

	"indexd/internal/config"
	"indexd/internal/manual"
)

// printManual prints the manual page, made of what help is made of.
func (o *options) printManual(w io.Writer) error {
	app := o.app()
	page := manual.Page{
		Name: app.Name, Section: 8, Version: version, Usage: app.Usage, Synopsis: []string{app.UsageText},
		Sections: []manual.Section{
			{Heading: "DESCRIPTION", Text: app.Description + "\n\n" +
				"It runs in the foreground, by hand or under systemd(1), as indexd.service of the system or of a user."},
			{Heading: "OPTIONS"},
			{Heading: "CONFIGURATION FILE", Text: "In TOML. The keys are the names of the flags, without dashes in front, and \"roots\", a list of ROOTs. " +
				"Lists are written as [\"a\", \"b\"], numbers bare, everything else in quotes. Paths are absolute. An unknown key is an error."},
			{Heading: "ENVIRONMENT", Text: "Besides the settings, of which lists are separated by colons:", Items: []manual.Item{
				{Term: "STATE_DIRECTORY, RUNTIME_DIRECTORY", Text: "where the database and the socket are by default; systemd sets them"},
				{Term: "LISTEN_FDS", Text: "a socket handed over by systemd, which wins over --socket"},
				{Term: "NOTIFY_SOCKET, WATCHDOG_USEC", Text: "where systemd is told how things are, and how often it wants to hear that all is well"},
			}},
			{Heading: "SIGNALS", Items: []manual.Item{
				{Term: "SIGHUP", Text: "reads the configuration again: roots, what is left out, and the log level. The rest needs a restart. Where the kernel allows more watches than before, they are used."},
				{Term: "SIGTERM, SIGINT", Text: "end it; a second one at once. Nothing is lost in either case."},
			}},
			{Heading: "EXIT STATUS", Items: []manual.Item{
				{Term: "0", Text: "it was told to end, or the database is in order"},
				{Term: "1", Text: "it could not run, or the database is not in order"},
				{Term: "2", Text: "wrong flags"},
			}},
			{Heading: "FILES", Items: []manual.Item{
				{Term: "/etc/indexd/indexd.toml", Text: "the configuration of root's, and of the system's service"},
				{Term: "/var/lib/indexd/index.db", Text: "its database"},
				{Term: "/run/indexd/indexd.sock", Text: "its socket"},
				{Term: "~/.config/indexd/indexd.toml, ~/.local/state/indexd/index.db, $XDG_RUNTIME_DIR/indexd/indexd.sock", Text: "the same of a user's"},
			}},
		},
		SeeAlso: []string{"indexctl(1)", "systemctl(1)", "inotify(7)"},
	}
	variables := make(map[string]string)
	for _, s := range config.Settings() {
		variables[s.Name] = s.Variable()
	}
	for _, f := range app.Flags {
		term, text, _ := strings.Cut(f.String(), "\t")
		if v := variables[f.Names()[0]]; v != "" {
			text += " (" + v + ")"
		}
		page.Sections[1].Items = append(page.Sections[1].Items, manual.Item{Term: term, Text: text})
	}
	return page.Write(w)
}
