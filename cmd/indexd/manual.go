package main

import (
	"io"

	"indexd/internal/cmdline"
)

// printManual prints the manual page.
func (o *options) printManual(w io.Writer) error {
	app := o.app()
	app.Description += "\n\nindexd runs in the foreground, by hand or as a service of systemd(1): indexd.service, for the system or for a user."
	return cmdline.WriteManual(w, app, 8, manualSections)
}

// manualSections are the sections of the manual page that no definition contains, in
// Markdown.
const manualSections = `
# CONFIGURATION FILE

The file is in TOML. Its keys are the names of the flags without dashes, and "roots", a list of
ROOTs. Lists are written as ["a", "b"], numbers bare, and everything else in quotes. Paths must
be absolute. An unknown key is an error.

# ENVIRONMENT

Besides the variables of the settings, in which lists are separated by colons:

**STATE_DIRECTORY**, **RUNTIME_DIRECTORY**
: where the database and the socket are by default; set by systemd

**LISTEN_FDS**
: a socket passed by systemd, which takes precedence over \-\-socket

**NOTIFY_SOCKET**, **WATCHDOG_USEC**
: where and how often systemd expects to be notified

# SIGNALS

**SIGHUP**
: reloads the configuration: the roots, what is excluded, and the log level; other settings need a restart. If the kernel now allows more watches, indexd uses them.

**SIGTERM**, **SIGINT**
: end indexd; a second one ends it at once. Nothing is lost in either case.

# EXIT STATUS

**0**
: indexd was told to end, or the database is intact

**1**
: indexd could not run, or the database is damaged

**2**
: wrong flags

# FILES

**/etc/indexd/indexd.toml**
: the configuration of root and of the system service

**/var/lib/indexd/index.db**
: its database

**/run/indexd/indexd.sock**
: its socket

**~/.config/indexd/indexd.toml**, **~/.local/state/indexd/index.db**, **$XDG_RUNTIME_DIR/indexd/indexd.sock**
: the same files of a user

# SEE ALSO

**indexctl**(1), **systemctl**(1), **inotify**(7)
`
