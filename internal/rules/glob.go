package rules

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// rule is one alternative of a glob, or a plain name or path. It is matched in two parts.
// The name comes first, since it fails at once for nearly every entry, and no path has to
// be assembled.
type rule struct {
	text     string // as the user wrote it
	name     pattern
	dir      dirPattern
	onlyDirs bool
}

// pattern matches one path component.
type pattern struct {
	prefix, suffix string // literal text at the beginning and end of every match
	literal        bool   // only prefix itself matches
	glob           string // the whole pattern, or "" for prefix*suffix
}

func (p *pattern) match(name string) bool {
	if p.literal {
		return name == p.prefix
	}
	return len(name) >= len(p.prefix)+len(p.suffix) &&
		strings.HasSuffix(name, p.suffix) && strings.HasPrefix(name, p.prefix) &&
		(p.glob == "" || doublestar.MatchUnvalidated(p.glob, name))
}

// dirPattern matches an absolute directory. The zero value matches any.
type dirPattern struct {
	prefix string // literal text at the beginning of every match, at least "/"
	exact  bool   // only prefix itself matches
	glob   string // relative to "/"
	base   string // of a glob base/**, which must also match base; doublestar does not always do that
}

func (p *dirPattern) match(dir string) bool {
	switch {
	case p.prefix == "":
		return true
	case p.exact:
		return dir == p.prefix
	case dir == "/": // has no component, but a glob has at least one
		return false
	}
	return strings.HasPrefix(dir, p.prefix) &&
		(doublestar.MatchUnvalidated(p.glob, dir[1:]) || p.base != "" && doublestar.MatchUnvalidated(p.base, dir[1:]))
}

// parseGlob parses one value of Config.Exclude.
func parseGlob(glob string) ([]rule, error) {
	switch {
	case glob == "":
		return nil, errors.New("is empty")
	case strings.Contains(glob, "\x00"):
		return nil, errors.New("holds a NUL byte")
	case !doublestar.ValidatePattern(glob):
		return nil, errors.New(`is not a glob: an unclosed [ or {, an empty class, or a \ at the end`)
	}
	alternatives, err := expand(glob, nil)
	if err != nil {
		return nil, err
	}
	rules := make([]rule, len(alternatives))
	for i, alt := range alternatives {
		if rules[i], err = parseAlternative(alt); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

// parseAlternative parses a glob without braces.
func parseAlternative(glob string) (rule, error) {
	glob, err := plainSlashes(glob)
	if err != nil {
		return rule{}, err
	}
	if !strings.Contains(glob, "/") {
		return rule{name: parsePattern(glob)}, nil
	}
	if strings.HasPrefix(glob, "**/") {
		glob = "/" + glob
	}
	if name := strings.TrimRight(glob, "/"); !strings.Contains(name, "/") && name != "" {
		return rule{}, fmt.Errorf("with a / it must be an absolute path; for directories of that name use prune-name, for anything so named write %q", name)
	}
	if glob[0] != '/' {
		return rule{}, fmt.Errorf("with a / it must be an absolute path, such as %q", "/**/"+glob)
	}
	if glob = path.Clean(glob); glob == "/" {
		return rule{}, errors.New("leaves nothing to index")
	}
	for strings.Contains(glob, "/**/**/") {
		glob = strings.ReplaceAll(glob, "/**/**/", "/**/")
	}
	i := strings.LastIndexByte(glob, '/')
	r := rule{name: parsePattern(glob[i+1:])}
	dir := strings.TrimPrefix(glob[:i], "/")
	switch d := parsePattern(dir); {
	case dir == "**": // any
	case d.literal:
		r.dir = dirPattern{prefix: "/" + d.prefix, exact: true}
	default:
		// "/home/**" also matches /home, so the prefix ends before the '/'.
		r.dir = dirPattern{prefix: "/" + strings.TrimSuffix(d.prefix, "/"), glob: dir}
		if base, ok := strings.CutSuffix(dir, "/**"); ok {
			r.dir.base = base
		}
	}
	return r, nil
}

func literalPath(p, text string, onlyDirs bool) rule {
	return rule{
		text:     text,
		name:     pattern{prefix: path.Base(p), literal: true},
		dir:      dirPattern{prefix: path.Dir(p), exact: true},
		onlyDirs: onlyDirs,
	}
}

// parsePattern parses a valid glob without braces.
func parsePattern(glob string) pattern {
	var p pattern
	var plain []byte // literal text since the last wildcard
	magic, simple := false, true
	for i := 0; i < len(glob); i++ {
		c := glob[i]
		switch c {
		case '*', '?', '[':
			if !magic {
				p.prefix = string(plain)
			} else if len(plain) > 0 {
				simple = false
			}
			if c != '*' {
				simple = false
			}
			if c == '[' {
				i += classLen(glob[i:]) - 1
			}
			magic, plain = true, plain[:0]
			continue
		case '\\':
			i++
			c = glob[i]
		}
		plain = append(plain, c)
	}
	if !magic {
		return pattern{prefix: string(plain), literal: true}
	}
	p.suffix = string(plain)
	if !simple {
		p.glob = glob
	}
	return p
}
