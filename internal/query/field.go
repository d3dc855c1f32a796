package query

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"indexd/internal/casefold"
)

const fieldNames = "name path ext type size mtime owner group perm depth in re"

// parseField reads w, of which the first n bytes are letters and the next is a
// colon. texts says that a field of text is allowed, which in a filter it is
// not. src is what errors are about.
func parseField(src string, w quotedText, n int, texts bool, env *Env) (Expr, error) {
	name := strings.ToLower(w.cut(0, n).String())
	v := fieldValue{src: src, field: name, quotedText: w.from(n + 1), env: env}
	fail := func(at int, msg string) error {
		return &SyntaxError{src, at, msg, wordHint(w.String())}
	}
	if !slices.Contains(strings.Fields(fieldNames), name) {
		err := &SyntaxError{src, w.at[0], "there is no field " + shown(w.cut(0, n).String()), ""}
		err.Hint = "fields are " + fieldNames
		if texts {
			err.Hint = wordHint(w.String()) + "; " + err.Hint
		}
		return nil, err
	}
	if v.len() == 0 {
		if !texts {
			return nil, &SyntaxError{src, w.at[n+1], name + ": has no value", ""}
		}
		return nil, fail(w.at[n+1], name+": has no value")
	}
	switch name {
	case "name", "path", "re":
		if !texts {
			return nil, &SyntaxError{src, w.at[0], name + ": is no filter", "it is a term"}
		}
	}
	switch name {
	case "name":
		if i := slices.Index(v.b, '/'); i >= 0 {
			return nil, v.fail(i, "no name has a '/'", "for the path write path:")
		}
		return parseText(src, v.quotedText, WhereName)
	case "path":
		return parseText(src, v.quotedText, WherePath)
	case "re":
		if _, _, err := parseRegex(src, v.quotedText, false); err != nil {
			return nil, err
		}
		return &Text{Kind: RegexPattern, Pattern: v.String()}, nil
	case "ext":
		return v.exts()
	case "type":
		return v.types()
	case "size", "depth":
		return v.numbers()
	case "mtime":
		return v.mtime()
	case "owner", "group":
		return v.owner()
	case "perm":
		return v.perm()
	}
	dir, err := resolveDir(v.String(), env)
	if err != nil {
		return nil, v.fail(0, err.Error(), "")
	}
	return &In{dir}, nil
}

// fieldValue is what stands after the colon.
type fieldValue struct {
	src   string
	field string
	quotedText
	env *Env
}

func (v fieldValue) fail(i int, msg, hint string) error {
	return &SyntaxError{v.src, v.at[i], msg, hint}
}

// sub is a part of the value.
func (v fieldValue) sub(i, j int) fieldValue {
	v.quotedText = v.cut(i, j)
	return v
}

func (v fieldValue) exts() (Expr, error) {
	e := &Exts{}
	for _, x := range v.split() {
		ext := casefold.String(strings.TrimLeft(x.String(), "."))
		switch i := strings.IndexByte(ext, '/'); {
		case ext == "":
			return nil, &SyntaxError{v.src, x.at[0], "an extension is missing", "ext:c,h is any of them"}
		case i >= 0:
			return nil, &SyntaxError{v.src, x.at[0], "no extension has a '/'", ""}
		}
		e.List = append(e.List, ext)
	}
	slices.Sort(e.List)
	e.List = slices.Compact(e.List)
	return e, nil
}

// typeLetters is every letter of type:.
const typeLetters = "fdlspbcxe"

func typeLetter(word string) byte {
	switch word {
	case "f", "file", "regular":
		return 'f'
	case "d", "dir", "directory":
		return 'd'
	case "l", "link", "symlink":
		return 'l'
	case "s", "socket":
		return 's'
	case "p", "pipe", "fifo":
		return 'p'
	case "b", "block", "block-device":
		return 'b'
	case "c", "char", "char-device":
		return 'c'
	case "x", "exec", "executable":
		return 'x'
	case "e", "empty":
		return 'e'
	}
	return 0
}

func (v fieldValue) types() (Expr, error) {
	var set [256]bool
	for _, x := range v.split() {
		c := typeLetter(x.String())
		if c == 0 {
			return nil, &SyntaxError{v.src, x.at[0], "there is no type " + shown(x.String()),
				"types are f file, d directory, l symlink, s socket, p pipe, b block-device, c char-device, x executable, e empty"}
		}
		set[c] = true
	}
	e := &Types{}
	for _, c := range typeLetters {
		if set[c] {
			e.Letters += string(c)
		}
	}
	return e, nil
}

func (v fieldValue) perm() (Expr, error) {
	e := &Perm{}
	digits := v.String()
	if c := digits[0]; c == '-' || c == '/' {
		e.How, digits = c, digits[1:]
	}
	bits, err := strconv.ParseUint(digits, 8, 32)
	if err != nil || bits > 0o7777 || digits[0] == '+' {
		return nil, v.fail(v.len()-len(digits), "permissions are up to four octal digits",
			"perm:4755 exactly these, perm:-4000 all of these, perm:/222 any of these")
	}
	e.Bits = uint32(bits)
	return e, nil
}

// owner reads USER, USER:GROUP, :GROUP, or for the field group GROUP; '!'
// before either is anyone but.
func (v fieldValue) owner() (Expr, error) {
	e := &Owner{}
	user, group := v.sub(0, v.len()), v.sub(v.len(), v.len())
	if v.field == "group" {
		user, group = group, user
	} else if i := slices.Index(v.b, ':'); i >= 0 {
		user, group = v.sub(0, i), v.sub(i+1, v.len())
		if group.len() == 0 {
			return nil, group.fail(0, "the group is missing", "")
		}
	}
	var err error
	if user.len() > 0 {
		e.HasUID = true
		if e.UID, e.NotUID, err = user.id("user"); err != nil {
			return nil, err
		}
	}
	if group.len() > 0 {
		e.HasGID = true
		if e.GID, e.NotGID, err = group.id("group"); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// id finds the number of a user or group: a name, as chown has it, or else
// digits.
func (v fieldValue) id(kind string) (id uint32, not bool, err error) {
	s := v.String()
	if s[0] == '!' {
		not, s = true, s[1:]
	}
	if s == "" {
		return 0, not, v.fail(v.len(), "the "+kind+" is missing", "")
	}
	if v.env != nil {
		lookup := v.env.LookupUser
		if kind == "group" {
			lookup = v.env.LookupGroup
		}
		if lookup != nil {
			if id, err := lookup(s); err == nil {
				return id, not, nil
			}
		}
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || s[0] == '+' {
		return 0, not, v.fail(v.len()-len(s), fmt.Sprintf("there is no %s %s here", kind, shown(s)), "")
	}
	return uint32(n), not, nil
}

// resolveDir makes a path absolute and clean.
func resolveDir(dir string, env *Env) (string, error) {
	if dir == "" {
		return "", fmt.Errorf("the directory is missing")
	}
	if dir[0] != '/' {
		if env == nil || env.Cwd == "" {
			return "", fmt.Errorf("the directory must be an absolute path")
		}
		dir = env.Cwd + "/" + dir
	}
	if env != nil && env.Real != nil {
		dir = env.Real(dir)
	}
	return path.Clean(dir), nil
}
