package query

import "strings"

// Parse reads a query in the language of docs/query.md. env may be nil if nothing in the query
// depends on time, place or names. The empty query matches everything. Errors are of type
// *SyntaxError and about text.
func Parse(text string, env *Env) (Expr, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	p := &parser{lex: lexer{text: text}, env: env}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.tok.kind == tokEnd {
		return Everything{}, nil
	}
	x, err := p.or()
	if err == nil && p.tok.kind == tokClose {
		err = p.fail(p.tok.at, "')' without '(' before it", wordHint(")"))
	}
	if err != nil {
		return nil, err
	}
	return x, nil
}

// checkText rejects a text that no query can have.
func checkText(text string) error {
	if len(text) > MaxText {
		return &SyntaxError{text, MaxText, "the query is too long", "the limit is 64 KiB"}
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return &SyntaxError{text, i, "no name has a NUL byte", ""}
	}
	return nil
}

type parser struct {
	lex   lexer
	tok   token // the next token
	env   *Env
	depth int
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

func (p *parser) fail(at int, msg, hint string) error {
	return &SyntaxError{p.lex.text, at, msg, hint}
}

func wordHint(word string) string {
	const hint = "to search for it as it stands, put it in quotes"
	if len(word) > detailWidth {
		return hint
	}
	return hint + ": " + inQuotes(word)
}

func (p *parser) or() (Expr, error) {
	var list []Expr
	for {
		x, err := p.and()
		if err != nil {
			return nil, err
		}
		list = append(list, x)
		if p.tok.kind != tokOr {
			return disjunction(list...), nil
		}
		if err := p.operand(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) and() (Expr, error) {
	var list []Expr
	for {
		x, err := p.not()
		if err != nil {
			return nil, err
		}
		list = append(list, x)
		switch p.tok.kind {
		case tokAnd:
			if err := p.operand(); err != nil {
				return nil, err
			}
		case tokEnd, tokClose, tokOr:
			return Conjunction(list...), nil
		}
	}
}

// operand skips the operator that is next, and checks that a term follows.
func (p *parser) operand() error {
	op := p.tok
	if err := p.advance(); err != nil {
		return err
	}
	switch p.tok.kind {
	case tokEnd, tokClose, tokAnd, tokOr:
		return p.fail(op.at, op.word.String()+" has no term after it", wordHint(op.word.String()))
	}
	return nil
}

func (p *parser) not() (Expr, error) {
	negated := false
	for p.tok.kind == tokNot {
		if err := p.operand(); err != nil {
			return nil, err
		}
		negated = !negated
	}
	x, err := p.term()
	if err == nil && negated {
		x = negation(x)
	}
	return x, err
}

func (p *parser) term() (Expr, error) {
	tok := p.tok
	switch tok.kind {
	case tokAnd, tokOr:
		return nil, p.fail(tok.at, tok.word.String()+" has no term before it", wordHint(tok.word.String()))
	case tokClose:
		return nil, p.fail(tok.at, "')' without '(' before it", wordHint(")"))
	case tokOpen:
		return p.parens()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	return p.word(tok.word)
}

func (p *parser) parens() (Expr, error) {
	open := p.tok.at
	if p.depth++; p.depth > MaxNesting {
		return nil, p.fail(open, "parentheses nest too deep", "")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	switch p.tok.kind {
	case tokClose:
		return nil, p.fail(open, "there is nothing in the parentheses", wordHint("("))
	case tokEnd:
		return nil, p.fail(open, "'(' is not closed", wordHint("("))
	}
	x, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokClose {
		return nil, p.fail(open, "'(' is not closed by a ')' that is a word of its own", wordHint("("))
	}
	p.depth--
	return x, p.advance()
}

// word reads one word: a field or a text.
func (p *parser) word(w quotedText) (Expr, error) {
	if n := fieldLen(w); n > 0 {
		return parseField(p.lex.text, w, n, true, p.env)
	}
	if w.len() == 0 {
		return nil, p.fail(w.at[0]-2, "there is nothing in the quotes", "")
	}
	return parseText(p.lex.text, w, WhereAuto)
}

// parseText reads a substring or a glob.
func parseText(src string, w quotedText, where TextWhere) (Expr, error) {
	if !w.hasBare(globMeta) {
		return &Text{Substring, where, w.String()}, nil
	}
	parts, err := parseGlob(src, w)
	if err != nil {
		return nil, err
	}
	return &Text{GlobPattern, where, GlobText(parts)}, nil
}
