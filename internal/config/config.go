// Package config finds out how indexd is to run: from its flags, the
// environment (INDEXD_…) and a TOML file, in this order of precedence, over
// the defaults. Every setting has one name for all three, and one line in
// Settings.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"indexd/internal/rules"
)

// Config is how indexd runs. It is made by Load and not changed afterwards.
type Config struct {
	// File is the TOML file that was read, "" if there was none.
	File string
	// Roots are the directories to index: absolute, clean, free of symbolic
	// links, sorted, none within another. At least one.
	Roots []string
	// Inner are directories that were asked for too and lie within a Root.
	// They are to be indexed even where a rule, or their file system's type,
	// would leave them out of it.
	Inner []string
	// Rules say what is left out.
	Rules *rules.Set

	DB         string      // absolute path of the database file
	MaxSize    int         // bytes that it may have; 0: no limit
	Socket     string      // absolute path of the socket
	SocketMode fs.FileMode // its permissions
	// AdminGroup may do what only root and the daemon's user may else; "" for
	// nobody. AdminGID is its number, -1 for none.
	AdminGroup string
	AdminGID   int

	Workers       int           // that list directories; 0 for the walker's default
	Watch         string        // "auto", "inotify", "fanotify" or "off"
	WatchShare    int           // per cent of the system's watches that may be used
	SweepInterval time.Duration // what is not watched is listed again so often; 0: never

	LogLevel  slog.Level
	LogFormat string // "text" or "json"
}

// Args are what the command line says.
type Args struct {
	// Flags has the values given for each setting, by its name, in the order
	// given.
	Flags map[string][]string
	// Roots are the ROOT arguments.
	Roots []string
	// UID is whose defaults are taken: root's for 0, else a user's.
	UID int
}

// ErrUsage is matched by errors about a flag, which the caller has to write
// otherwise; all others are about what Load found.
var ErrUsage = errors.New("wrong usage")

// Load reads the environment and the file and returns the Config. It may be
// called again, to reload. An error is one line that names where the mistake
// is: the flag, the variable, or the file and the line in it.
func Load(a Args) (*Config, error) {
	b := &builder{Config: defaults(a.UID)}
	for _, read := range []func(*builder, Args) error{readFile, readEnvironment, readFlags, (*builder).finish} {
		if err := read(b, a); err != nil {
			return nil, err
		}
	}
	return b.Config, nil
}

// finish makes the whole of what was read.
func (b *builder) finish(a Args) (err error) {
	if b.DB == "" {
		return errors.New("there is no place for the database: HOME is not set; use --db")
	}
	b.DB = followed(b.DB)
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

// builder is a Config in the making.
type builder struct {
	*Config
	roots []string // of the highest level that names any
	// The lists as they stand; what a file in the format of updatedb.conf says
	// takes the place of the defaults, below everything else.
	exclude, pruneName, pruneFS list
	updatedb                    string
}

// list is a list setting: what was added, and whether an empty value took away
// what would be below.
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

// over returns the list on top of what is below it.
func (l *list) over(below []string) []string {
	if l.cleared {
		return l.values
	}
	return append(below[:len(below):len(below)], l.values...)
}

// rules makes the Set of all that was said. Each rule has been checked before.
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
