package rules

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// rule is one alternative of a glob, or a plain name or path. It is matched in
// two parts, the name first since it fails at once for nearly every entry, and
// so that no path need be put together.
type rule struct {
	text     string // the rule as the user knows it
	name     pattern
	dir      dirPattern
	onlyDirs bool
}

// pattern matches one path component.
type pattern struct {
	prefix, suffix string // plain, what every match begins and ends with
	literal        bool   // a match is prefix
	glob           string // the whole of it, "" where a '*' between the two says all
}

func (p *pattern) match(name string) bool {
	if p.literal {
		return name == p.prefix
	}
	return len(name) >= len(p.prefix)+len(p.suffix) &&
		strings.HasSuffix(name, p.suffix) && strings.HasPrefix(name, p.prefix) &&
		(p.glob == "" || doublestar.MatchUnvalidated(p.glob, name))
}

// dirPattern matches an absolute directory; the zero value any.
type dirPattern struct {
	prefix string // plain: what every match begins with, "/" at least
	exact  bool   // a match is prefix
	glob   string // relative to "/"
	base   string // of a glob base/**, which stands for base too: doublestar does not always see that
}

func (p *dirPattern) match(dir string) bool {
	switch {
	case p.prefix == "":
		return true
	case p.exact:
		return dir == p.prefix
	case dir == "/": // without a component, of which a glob has one at least
		return false
	}
	return strings.HasPrefix(dir, p.prefix) &&
		(doublestar.MatchUnvalidated(p.glob, dir[1:]) || p.base != "" && doublestar.MatchUnvalidated(p.base, dir[1:]))
}

// parseGlob reads an exclude.
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

// parseAlternative reads a glob without braces.
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
		// "/home/**" stands for /home too, so its prefix ends before the '/'.
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

// parsePattern takes apart a valid glob without braces.
func parsePattern(glob string) pattern {
	var p pattern
	var plain []byte // since the last magic
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
