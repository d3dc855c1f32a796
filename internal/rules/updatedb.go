package rules

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
)

// Updatedb holds the settings of an updatedb.conf(5) of plocate or mlocate. A list that
// the file does not set is nil.
type Updatedb struct {
	PruneFS, PruneNames, PrunePaths []string
	// PruneBindMounts is parsed but not used: a tree is never indexed by two paths.
	PruneBindMounts bool
}

// ReadUpdatedb reads an updatedb.conf. A syntax error names the file and line.
func ReadUpdatedb(file string) (Updatedb, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Updatedb{}, err
	}
	return parseUpdatedb(file, string(data))
}

func parseUpdatedb(file, text string) (Updatedb, error) {
	var u Updatedb
	seen := make(map[string]int)
	n := 0
	for line := range strings.Lines(text) {
		n++
		name, value, err := parseUpdatedbLine(strings.TrimRight(line, "\r\n"))
		if err == nil && name != "" {
			if first := seen[name]; first > 0 {
				err = fmt.Errorf("%s was set in line %d already", name, first)
			} else {
				seen[name] = n
				err = u.set(name, value)
			}
		}
		if err != nil {
			return Updatedb{}, fmt.Errorf("%s:%d: %w", file, n, err)
		}
	}
	return u, nil
}

func (u *Updatedb) set(name, value string) error {
	list := strings.Fields(value)
	if list == nil {
		list = []string{}
	}
	switch name {
	case "PRUNEFS":
		u.PruneFS = list
	case "PRUNENAMES":
		for _, n := range list {
			if strings.Contains(n, "/") {
				return fmt.Errorf("%q in PRUNENAMES is a path, not a name", n)
			}
		}
		u.PruneNames = list
	case "PRUNEPATHS":
		for _, p := range list {
			if !path.IsAbs(p) || path.Clean(p) == "/" {
				return fmt.Errorf("%q in PRUNEPATHS is not the absolute path of a directory", p)
			}
		}
		u.PrunePaths = list
	case "PRUNE_BIND_MOUNTS":
		switch strings.ToLower(value) {
		case "1", "yes":
			u.PruneBindMounts = true
		case "0", "no":
			u.PruneBindMounts = false
		default:
			return fmt.Errorf("PRUNE_BIND_MOUNTS is %q, must be yes or no", value)
		}
	default:
		return fmt.Errorf("unknown variable %s", name)
	}
	return nil
}

var errUpdatedbLine = errors.New(`expected VARIABLE = "VALUE"`)

// parseUpdatedbLine parses one line. name is empty for blank lines and comments.
func parseUpdatedbLine(line string) (name, value string, err error) {
	const blanks = " \t\v\f\r"
	line = strings.TrimLeft(line, blanks)
	if line == "" || line[0] == '#' {
		return "", "", nil
	}
	if strings.Contains(line, "\x00") {
		return "", "", errors.New("there is a NUL byte in it")
	}
	i := 0
	for i < len(line) && (line[i] == '_' || 'A' <= line[i]&^0x20 && line[i]&^0x20 <= 'Z' || i > 0 && '0' <= line[i] && line[i] <= '9') {
		i++
	}
	name, line = line[:i], strings.TrimLeft(line[i:], blanks)
	if name == "" || !strings.HasPrefix(line, "=") {
		return "", "", errUpdatedbLine
	}
	line, ok := strings.CutPrefix(strings.TrimLeft(line[1:], blanks), `"`)
	if !ok {
		return "", "", errUpdatedbLine
	}
	if value, line, ok = strings.Cut(line, `"`); !ok {
		return "", "", errors.New(`the closing " is missing`)
	}
	if line = strings.TrimLeft(line, blanks); line != "" && line[0] != '#' {
		return "", "", fmt.Errorf("%q after the value", line)
	}
	return name, value, nil
}
