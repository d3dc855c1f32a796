package query

import "strings"

// ExcludeGlob excludes what it matches and, if that is a directory, everything below it. As in
// fd, a glob without a '/' is matched against names at any depth, and one that ends with '/'
// against directories only. Case counts.
type ExcludeGlob struct {
	Pattern  string
	Parts    []GlobPart
	Path     bool
	DirsOnly bool
}

func parseExclude(s string) (ExcludeGlob, error) {
	x := ExcludeGlob{Pattern: s}
	if err := checkText(s); err != nil {
		return x, err
	}
	trimmed := strings.TrimRight(s, "/")
	x.DirsOnly = trimmed != s
	if trimmed == "" {
		return x, &SyntaxError{s, 0, "an empty glob excludes nothing", ""}
	}
	x.Path = strings.Contains(trimmed, "/")
	var err error
	x.Parts, err = parseGlob(s, plain(trimmed, 0))
	if x.Path {
		x.Parts = AnyParent(x.Parts)
	}
	return x, err
}

// AnyParent puts "**/" before a glob on the path, unless the glob is absolute.
func AnyParent(parts []GlobPart) []GlobPart {
	if len(parts) > 0 && (parts[0].Op == OpChar && parts[0].Char == '/' || parts[0].Op == OpDirs) {
		return parts
	}
	return append([]GlobPart{{Op: OpDirs}}, parts...)
}
