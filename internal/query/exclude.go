package query

import "strings"

// excludeGlob leaves out what it matches and, of a directory, all below. As in
// fd, without a '/' it is a glob on a name at any depth, and a '/' at its end
// makes it one for directories only. Case counts.
type excludeGlob struct {
	pattern string
	parts   []globPart
	path    bool
	dirs    bool
}

func parseExclude(s string) (excludeGlob, error) {
	x := excludeGlob{pattern: s}
	if err := checkText(s); err != nil {
		return x, err
	}
	trimmed := strings.TrimRight(s, "/")
	x.dirs = trimmed != s
	if trimmed == "" {
		return x, &SyntaxError{s, 0, "an empty glob excludes nothing", ""}
	}
	x.path = strings.Contains(trimmed, "/")
	var err error
	x.parts, err = parseGlob(s, plain(trimmed, 0))
	if x.path {
		x.parts = anyParent(x.parts)
	}
	return x, err
}

// anyParent puts "**/" before a glob on the path, unless it is absolute.
func anyParent(parts []globPart) []globPart {
	if len(parts) > 0 && (parts[0].op == opChar && parts[0].c == '/' || parts[0].op == opDirs) {
		return parts
	}
	return append([]globPart{{op: opDirs}}, parts...)
}
