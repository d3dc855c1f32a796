package query

import "slices"

// Mode says how a term is read.
type Mode string

// The modes. The empty Mode is ModeTerms.
const (
	ModeTerms Mode = "terms" // the language of docs/query.md
	ModeFixed Mode = "fixed" // a substring
	ModeGlob  Mode = "glob"  // a glob on the whole name, or on the path if it has a '/'
	ModeRegex Mode = "regex" // RE2, anywhere in the name, or in the path if it has a '/'

	// The modes of locate read each term as plocate(1) does, that is, as fnmatch, regcomp and
	// regexec of glibc do in a UTF-8 locale. A term is matched against the name or, with
	// Request.FullPath, against the whole path, whether or not it has a '/'. An empty term
	// matches everything.

	// ModeLocate is a substring or, if it has one of * ? [], a glob on the whole text,
	// in which a star also matches '/', braces stand for themselves, and '\' takes the
	// next character literally.
	ModeLocate Mode = "locate"
	// ModeBRE and ModeERE are POSIX regular expressions, basic and extended, with GNU's
	// additions and without back-references.
	ModeBRE Mode = "bre"
	ModeERE Mode = "ere"
)

// modeRow is one row of the table of modes. parse reads one term of r; it is nil for
// ModeTerms, in which all terms are one query.
type modeRow struct {
	name  Mode
	posix bool // a mode of locate
	parse func(r *Request, term string) (Expr, error)
}

var modes = [...]modeRow{
	{name: ModeTerms},
	{name: ModeFixed, parse: parseFixedTerm},
	{name: ModeGlob, parse: parseGlobTerm},
	{name: ModeRegex, parse: parseRegexTerm},
	{name: ModeLocate, posix: true, parse: parseLocateTerm},
	{name: ModeBRE, posix: true, parse: func(r *Request, s string) (Expr, error) { return parsePosixRegex(r, s, false) }},
	{name: ModeERE, posix: true, parse: func(r *Request, s string) (Expr, error) { return parsePosixRegex(r, s, true) }},
}

// row returns m's row in the table of modes, or nil.
func (m Mode) row() *modeRow {
	if m == "" {
		m = ModeTerms
	}
	if i := slices.IndexFunc(modes[:], func(r modeRow) bool { return r.name == m }); i >= 0 {
		return &modes[i]
	}
	return nil
}

// ModeNames returns the names of all modes.
func ModeNames() []string {
	var names []string
	for _, m := range modes {
		names = append(names, string(m.name))
	}
	return names
}

func parseFixedTerm(_ *Request, s string) (Expr, error) {
	return &Text{Kind: Substring, Pattern: s}, nil
}

func parseGlobTerm(_ *Request, s string) (Expr, error) {
	parts, err := ParseGlob(s)
	if err != nil {
		return nil, err
	}
	return &Text{Kind: GlobPattern, Pattern: GlobText(parts)}, nil
}

func parseRegexTerm(_ *Request, s string) (Expr, error) {
	if _, _, err := ParseRegex(s, false); err != nil {
		return nil, err
	}
	return &Text{Kind: RegexPattern, Pattern: s}, nil
}
