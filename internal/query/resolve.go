package query

import (
	"fmt"
	"slices"
	"strings"
)

// Resolve makes r independent of when and where it was typed: dates become instants, names of
// users numbers, paths absolute, and all texts canonical. The client calls it once. r changes
// only if it succeeds. Errors are of type *SyntaxError.
func (r *Request) Resolve(env *Env) error {
	q := *r
	parsed, err := q.Parse(env)
	if err != nil {
		return err
	}
	if q.Mode.row().parse == nil {
		q.Terms = nil
		if s := parsed.Terms.String(); s != "" {
			q.Terms = []string{s}
		}
	}
	q.Filters = nil
	for _, f := range parsed.Filters {
		q.Filters = append(q.Filters, filterString(f))
	}
	q.In = parsed.In
	if err := q.checkSize(); err != nil {
		return err
	}
	*r = q
	return nil
}

// Parsed is a request whose texts have been parsed.
type Parsed struct {
	Terms   Expr
	Filters []field
	In      []string
	Exclude []ExcludeGlob
}

// Parse parses all texts of r.
func (r *Request) Parse(env *Env) (*Parsed, error) {
	if err := r.checkSize(); err != nil {
		return nil, err
	}
	if err := r.checkNames(); err != nil {
		return nil, err
	}
	p := &Parsed{}
	var err error
	if p.Terms, err = r.parseTerms(env); err != nil {
		return nil, err
	}
	for _, f := range r.Filters {
		x, err := parseFilter(f, env)
		if err != nil {
			return nil, err
		}
		p.Filters = append(p.Filters, x)
	}
	for _, dir := range r.In {
		if i := strings.IndexByte(dir, 0); i >= 0 {
			return nil, &SyntaxError{dir, i, "no path has a NUL byte", ""}
		}
		abs, err := resolveDir(dir, env)
		if err != nil {
			return nil, &SyntaxError{dir, 0, err.Error(), ""}
		}
		p.In = append(p.In, abs)
	}
	for _, glob := range r.Exclude {
		x, err := parseExclude(glob)
		if err != nil {
			return nil, err
		}
		p.Exclude = append(p.Exclude, x)
	}
	return p, nil
}

// checkSize rejects a request with too much text.
func (r *Request) checkSize() error {
	n := 0
	for _, list := range [][]string{r.Terms, r.Filters, r.In, r.Exclude} {
		for _, s := range list {
			if n += len(s) + 1; n > MaxText {
				return &SyntaxError{s, len(s), "the query is too long", "the limit is 64 KiB"}
			}
		}
	}
	return nil
}

// checkNames rejects unknown modes, cases and orders, and negative numbers. They cannot be
// typed, but a program can send them.
func (r *Request) checkNames() error {
	fail := func(s, what string) error {
		return &SyntaxError{s, 0, "there is no " + what + " " + shown(s), ""}
	}
	if r.Mode.row() == nil {
		return fail(string(r.Mode), "mode")
	}
	if r.Case != "" && !slices.Contains(caseNames[:], string(r.Case)) {
		return fail(string(r.Case), "case")
	}
	if _, ok := r.Sort.Key(); !ok {
		return fail(string(r.Sort), "order")
	}
	for _, n := range []int{r.MinDepth, r.MaxDepth, r.Limit} {
		if n < 0 {
			return fail(fmt.Sprint(n), "depth or limit")
		}
	}
	return nil
}

func (r *Request) parseTerms(env *Env) (Expr, error) {
	mode := r.Mode.row()
	for i, t := range r.Terms {
		if !mode.posix && strings.Trim(t, blanks) == "" && (t == "" || mode.parse == nil) {
			at := len(strings.Join(r.Terms[:i+1], " ")) - len(t)
			return nil, &SyntaxError{strings.Join(r.Terms, " "), at, "an empty argument is not a term", "without terms, everything is found"}
		}
	}
	if mode.parse == nil {
		return Parse(strings.Join(r.Terms, " "), env)
	}
	var list []Expr
	for _, t := range r.Terms {
		if err := checkText(t); err != nil {
			return nil, err
		}
		x, err := mode.parse(r, t)
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return Conjunction(list...), nil
}

// parseFilter reads a field and its value, which extends to the end and is not quoted.
func parseFilter(s string, env *Env) (field, error) {
	if err := checkText(s); err != nil {
		return nil, err
	}
	w := plain(s, 0)
	n := fieldLen(w)
	if n == 0 {
		return nil, &SyntaxError{s, 0, "a filter is a field and its value", `as in "size:>1M"`}
	}
	x, err := parseField(s, w, n, false, env)
	if err != nil {
		return nil, err
	}
	return x.(field), nil
}
