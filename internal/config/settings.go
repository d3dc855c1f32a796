package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"indexd/internal/rules"
)

// Setting is one thing that can be configured: with the flag --Name, the variable
// INDEXD_NAME (with '_' for '-') or the key Name in the file.
type Setting struct {
	Name  string
	Value string // placeholder for the value in help
	Usage string
	List  bool // may be given several times; separated by ':' in the environment
	// Choices are the allowed values; nil if they cannot be enumerated.
	Choices []string

	number bool // an integer in the file
	path   bool // must be absolute in the file, which has no working directory
	set    func(b *builder, value string) error
}

// Variable returns the name of the setting in the environment.
func (s *Setting) Variable() string {
	return "INDEXD_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Settings returns all settings, in the order of help.
func Settings() []Setting {
	return []Setting{
		{Name: "db", Value: "FILE", Usage: "database file", path: true,
			set: func(b *builder, v string) error { return setPath(&b.DB, v) }},
		{Name: "max-size", Value: "SIZE", Usage: "maximum size of the database, such as 500M or 2G (0: no limit)",
			set: func(b *builder, v string) error { return setSize(&b.MaxSize, v) }},
		{Name: "socket", Value: "PATH", Usage: "socket to listen on, unless systemd passes one", path: true,
			set: func(b *builder, v string) error { return setPath(&b.Socket, v) }},
		{Name: "socket-mode", Value: "OCTAL", Usage: "permissions of the socket (0666 as root, else 0600)",
			set: func(b *builder, v string) error { return setMode(&b.SocketMode, v) }},
		{Name: "admin-group", Value: "NAME", Usage: "group whose members may do what root may",
			set: (*builder).setAdminGroup},
		{Name: "exclude", Value: "GLOB", List: true, Usage: "exclude names that match, or absolute paths if it contains a /, and everything below them",
			set: (*builder).setExclude},
		{Name: "prune-fs", Value: "TYPE", List: true, Usage: "exclude file systems of this type",
			set: func(b *builder, v string) error { b.pruneFS.add(v); return nil }},
		{Name: "prune-name", Value: "NAME", List: true, Usage: "exclude directories of this name",
			set: (*builder).setPruneName},
		{Name: "updatedb-conf", Value: "FILE", Usage: "read exclusions from plocate's configuration", path: true,
			set: func(b *builder, v string) error { return setOptionalPath(&b.updatedb, v) }},
		{Name: "workers", Value: "N", Usage: "how many directories to read at once (4 per processor, 8 to 32)", number: true,
			set: func(b *builder, v string) error { return setNumber(&b.Workers, v, 1, 1024) }},
		{Name: "rotating-readers", Value: "N", Usage: "how many directories of a rotating disk to read at once (2; 0: no limit)", number: true,
			set: func(b *builder, v string) error { return setNumber(&b.RotatingReaders, v, 0, 1024) }},
		{Name: "watch", Value: "HOW", Usage: "how to detect changes", Choices: []string{"auto", "inotify", "fanotify", "off"},
			set: func(b *builder, v string) error { b.Watch = v; return nil }},
		{Name: "watch-share", Value: "PCT", Usage: "percentage of the system's inotify watches to use (80)", number: true,
			set: func(b *builder, v string) error { return setNumber(&b.WatchShare, v, 1, 100) }},
		{Name: "sweep-interval", Value: "D", Usage: "how often to check directories that are not watched (1h); 0: never",
			set: func(b *builder, v string) error { return setInterval(&b.SweepInterval, v) }},
		{Name: "log-level", Value: "LEVEL", Usage: "minimum level of log messages (info)", Choices: []string{"debug", "info", "warn", "error"},
			set: func(b *builder, v string) error { return b.LogLevel.UnmarshalText([]byte(v)) }},
		{Name: "log-format", Value: "FORMAT", Usage: "format of log messages (text)", Choices: []string{"text", "json"},
			set: func(b *builder, v string) error { b.LogFormat = v; return nil }},
	}
}

// apply sets s to v.
func (s *Setting) apply(b *builder, v string) error {
	if s.Choices != nil {
		for _, c := range s.Choices {
			if v == c {
				return s.set(b, v)
			}
		}
		return fmt.Errorf("%q is not one of %s", v, strings.Join(s.Choices, ", "))
	}
	return s.set(b, v)
}

var errEmpty = errors.New("the value is empty")

func setPath(dst *string, v string) (err error) {
	switch {
	case v == "":
		return errEmpty
	case strings.Contains(v, "\x00"):
		return fmt.Errorf("%q holds a NUL byte", v)
	}
	*dst, err = filepath.Abs(v)
	return err
}

func setOptionalPath(dst *string, v string) error {
	if v == "" {
		*dst = ""
		return nil
	}
	return setPath(dst, v)
}

func setMode(dst *fs.FileMode, v string) error {
	n, err := strconv.ParseUint(v, 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf("%q is not a mode in octal such as 0660", v)
	}
	*dst = fs.FileMode(n)
	return nil
}

func (b *builder) setAdminGroup(v string) error {
	if v == "" {
		b.AdminGroup, b.AdminGID = "", -1
		return nil
	}
	g, err := user.LookupGroup(v)
	if err != nil {
		return fmt.Errorf("there is no group %q", v)
	}
	gid, err := strconv.Atoi(g.Gid)
	b.AdminGroup, b.AdminGID = v, gid
	return err
}

func (b *builder) setExclude(v string) error {
	if v != "" {
		if _, err := rules.New(rules.Config{Exclude: []string{v}}); err != nil {
			return fmt.Errorf("%q %w", v, errors.Unwrap(err))
		}
	}
	b.exclude.add(v)
	return nil
}

func (b *builder) setPruneName(v string) error {
	if strings.ContainsAny(v, "/\x00") {
		return fmt.Errorf("%q is not the name of a directory", v)
	}
	b.pruneName.add(v)
	return nil
}

func setNumber(dst *int, v string, least, most int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return fmt.Errorf("%q is not a whole number from %d to %d", v, least, most)
	}
	*dst = n
	return nil
}

// minSize is the smallest limit on the database: what one of some ten thousand entries
// needs while it changes.
const minSize = 4 << 20

// setSize parses a number of bytes, optionally with one of the suffixes k, M, G and T,
// which are powers of 1024 as in queries.
func setSize(dst *int, v string) error {
	number, shift := v, 0
	for i, unit := range []string{"k", "M", "G", "T"} {
		if n, ok := strings.CutSuffix(v, unit); ok {
			number, shift = n, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil || n < 0 || n > math.MaxInt>>shift:
		return fmt.Errorf("%q is not a size such as 500M or 2G", v)
	case n > 0 && n<<shift < minSize:
		return fmt.Errorf("%q is smaller than %dM", v, minSize>>20)
	}
	*dst = int(n << shift)
	return nil
}

// setInterval parses a Go duration, or a number of days such as 1d.
func setInterval(dst *time.Duration, v string) error {
	d, err := time.ParseDuration(v)
	if days, ok := strings.CutSuffix(v, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16)
		d = time.Duration(n) * 24 * time.Hour
	}
	switch {
	case err != nil:
		return fmt.Errorf(`%q is not a duration such as "30m", "2h" or "1d"`, v)
	case d != 0 && d < time.Second:
		return fmt.Errorf("%q is shorter than a second", v)
	}
	*dst = d
	return nil
}

// defaults returns the default settings of root or of a user. Paths for which there is no
// standard directory are empty.
func defaults(a Args) *Config {
	c := &Config{
		AdminGID: -1,
		Watch:    "auto",
		// The rest is for other programs of the same user.
		RotatingReaders: 2,
		WatchShare:      80,
		// Checking 34,000 directories with 400,000 entries takes about half a second on
		// two processors: 0.01 % of an hour.
		SweepInterval: time.Hour,
		LogLevel:      slog.LevelInfo,
		LogFormat:     "text",
		SocketMode:    0o600,
	}
	if a.UID == 0 {
		c.SocketMode = 0o666
	}
	if dir := standardDir("STATE_DIRECTORY", "/var/lib/indexd", "XDG_STATE_HOME", ".local/state", a.UID); dir != "" {
		c.DB = filepath.Join(dir, "index.db")
	}
	if dir := standardDir("RUNTIME_DIRECTORY", "/run/indexd", "XDG_RUNTIME_DIR", "", a.UID); dir != "" {
		c.Socket = filepath.Join(dir, "indexd.sock")
	} else if a.UID != 0 {
		c.Socket = a.UserSocket
	}
	return c
}
