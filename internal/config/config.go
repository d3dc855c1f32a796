// Package config determines how indexd runs: from flags, environment variables (INDEXD_…)
// and a TOML file, in this order of precedence, on top of the defaults. A setting has the
// same name in all three, and one entry in Settings.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"indexd/internal/rules"
)

// Config is the configuration of indexd. It is created by Load and not changed
// afterwards.
type Config struct {
	// File is the TOML file that was read, or "" if there was none.
	File string
	// Roots are the directories to index: at least one, absolute, clean, without
	// symbolic links, sorted, none within another.
	Roots []string
	// Inner are further requested directories, which lie within a Root. They are indexed
	// even if a rule or the type of their file system excludes them from it.
	Inner []string
	// Rules say what is excluded.
	Rules *rules.Set

	DB         string      // absolute path of the database file
	MaxSize    int         // maximum size of the database in bytes; 0 means no limit
	Socket     string      // absolute path of the socket
	SocketMode fs.FileMode // permissions of the socket
	// AdminGroup is the group whose members may do what root and the daemon's own user
	// may; "" means none. AdminGID is its number, or -1.
	AdminGroup string
	AdminGID   int

	Workers int // directories to list at once; 0 means the walker's default
	// RotatingReaders is how many directories of a rotating disk are read at once; 0 means
	// as many as there are workers.
	RotatingReaders int
	Watch           string        // "auto", "inotify", "fanotify" or "off"
	WatchShare      int           // percentage of the system's watches to use
	SweepInterval   time.Duration // how often unwatched directories are checked; 0 means never

	LogLevel  slog.Level
	LogFormat string // "text" or "json"
}

// Args are the command-line arguments.
type Args struct {
	// Flags contains the values given for each setting, by its name, in order.
	Flags map[string][]string
	// Roots are the ROOT arguments.
	Roots []string
	// UID selects the defaults: those of root if 0, else those of a user.
	UID int
	// UserSocket is the default socket of a user's daemon, or "".
	UserSocket string
}

// ErrUsage is matched by errors about flags. All other errors are about what Load found.
var ErrUsage = errors.New("wrong usage")

// Load reads the environment and the file and returns the Config. It may be called again
// to reload. An error is one line that says where the mistake is: the flag, the variable,
// or the file and the line in it.
func Load(a Args) (*Config, error) {
	b := &builder{Config: defaults(a)}
	for _, read := range []func(*builder, Args) error{readFile, readEnvironment, readFlags, (*builder).finish} {
		if err := read(b, a); err != nil {
			return nil, err
		}
	}
	return b.Config, nil
}

// finish completes the Config from everything that was read.
func (b *builder) finish(a Args) (err error) {
	if b.DB == "" {
		return errors.New("there is no place for the database: HOME is not set; use --db")
	}
	b.DB = resolveLinks(b.DB)
	if b.Rules, err = b.rules(); err != nil {
		return err
	}
	if b.roots == nil {
		root, err := defaultRoot(a.UID)
		if err != nil {
			return err
		}
		b.roots = []string{root}
	}
	b.Roots, b.Inner, err = resolveRoots(b.roots)
	return err
}

// builder is a Config under construction.
type builder struct {
	*Config
	roots []string // of the highest level of precedence that names any
	// List settings. The contents of updatedb, a file in the format of updatedb.conf,
	// replace the defaults and are below everything else.
	exclude, pruneName, pruneFS list
	updatedb                    string
}

// list is a list setting: the values added, and whether an empty value has cleared the
// lower levels.
type list struct {
	values  []string
	cleared bool
}

func (l *list) add(v string) {
	if v == "" {
		*l = list{cleared: true}
	} else {
		l.values = append(l.values, v)
	}
}

// over returns the list on top of the lower levels.
func (l *list) over(below []string) []string {
	if l.cleared {
		return l.values
	}
	return append(below[:len(below):len(below)], l.values...)
}

// rules returns the Set of all rules. Each of them has been checked before.
func (b *builder) rules() (*rules.Set, error) {
	below := rules.Config{PruneFS: rules.DefaultPruneFS()}
	if b.updatedb != "" {
		u, err := rules.ReadUpdatedb(b.updatedb)
		if err != nil {
			return nil, fmt.Errorf("updatedb-conf: %w", err)
		}
		below.PruneNames, below.PrunePaths = u.PruneNames, u.PrunePaths
		if u.PruneFS != nil {
			below.PruneFS = u.PruneFS
		}
	}
	return rules.New(rules.Config{
		Exclude:    b.exclude.over(nil),
		PruneNames: b.pruneName.over(below.PruneNames),
		PrunePaths: below.PrunePaths,
		PruneFS:    b.pruneFS.over(below.PruneFS),
	})
}
