package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// names translates between the names and numbers of users, or of groups. It reads the file
// itself and runs getent(1) for what is not in it, which covers LDAP and the like without
// linking the C library. Package os/user would slow down every start. Answers are cached.
type names struct {
	file     string // /etc/passwd or /etc/group
	database string // the same for getent: passwd, group
	byID     map[uint32]string
	byName   map[string]uint32
}

func newUsers() *names  { return &names{file: "/etc/passwd", database: "passwd"} }
func newGroups() *names { return &names{file: "/etc/group", database: "group"} }

// name returns the name of a number, or the number itself if it has none.
func (n *names) name(id uint32) string {
	n.load()
	name, ok := n.byID[id]
	if !ok {
		number := strconv.FormatUint(uint64(id), 10)
		if name, _, ok = n.getent(number); !ok {
			name = number
		}
		n.byID[id] = name
	}
	return name
}

// lookup returns the number of a name. It is for query.Env.
func (n *names) lookup(name string) (uint32, error) {
	n.load()
	if id, ok := n.byName[name]; ok {
		return id, nil
	}
	if got, id, ok := n.getent(name); ok && got == name {
		return id, nil
	}
	if n.database == "group" {
		return 0, fmt.Errorf("unknown group %q", name)
	}
	return 0, fmt.Errorf("unknown user %q", name)
}

func (n *names) load() {
	if n.byID != nil {
		return
	}
	n.byID, n.byName = map[uint32]string{}, map[string]uint32{}
	data, err := os.ReadFile(n.file)
	if err != nil {
		return // getent may still know them
	}
	for line := range strings.Lines(string(data)) {
		if name, id, ok := parseName(line); ok {
			if _, dup := n.byName[name]; !dup { // the first one counts, as in the C library
				n.byName[name] = id
			}
			if _, dup := n.byID[id]; !dup {
				n.byID[id] = name
			}
		}
	}
}

func (n *names) getent(key string) (name string, id uint32, ok bool) {
	if key == "" || key[0] == '-' {
		return "", 0, false
	}
	out, err := exec.Command("getent", n.database, key).Output()
	if err != nil {
		return "", 0, false
	}
	return parseName(string(out))
}

// parseName parses a line such as "root:x:0:...".
func parseName(line string) (name string, id uint32, ok bool) {
	fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 4)
	if len(fields) < 3 || fields[0] == "" {
		return "", 0, false
	}
	n, err := strconv.ParseUint(fields[2], 10, 32)
	return fields[0], uint32(n), err == nil
}
