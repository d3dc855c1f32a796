package query

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"indexd/internal/casefold"
	"indexd/listing"
)

// Field is one row of the table of fields. Everything about a field is here, except its
// examples in docs/query.md and its rows in the tables of tests.
type Field struct {
	Name    string
	Aliases []string
	Value   string // the form of a value, for the documentation and --help
	Doc     string // what the field holds for, likewise
	Needs   Needs  // what must be known of an entry to judge it
	// TermOnly is set for a field that may be part of a query but not a filter.
	TermOnly bool

	parse func(v fieldValue) (Expr, error)

	// For a field of numbers, whose Expr is a *Numbers: read reads one number, number returns
	// that of an entry, and bounds returns the least and largest number in a zone. bounds is
	// nil if zones do not bound the field.
	read   func(v fieldValue) (uint64, error)
	number func(e *listing.Entry) uint64
	bounds func(z *Zone) (lo, hi uint64)
}

// Needs is a set of things that must be known of an entry to judge it.
type Needs uint8

const (
	NeedsMeta     Needs = 1 << iota // more than its name and type
	NeedsPath                       // its directory
	NeedsEmptyDir                   // whether a directory has entries
)

var fields = [...]Field{
	{
		Name: "name", Value: "TEXT", Doc: "like a bare word, but always on the name",
		TermOnly: true, parse: fieldValue.nameText,
	},
	{
		Name: "path", Value: "TEXT", Doc: "like a bare word, but always on the whole path",
		Needs: NeedsPath, TermOnly: true, parse: fieldValue.pathText,
	},
	{
		Name: "ext", Value: "EXT[,EXT...]", Doc: "an extension, or any of a list, in any case",
		parse: fieldValue.exts,
	},
	{
		Name: "type", Value: "TYPE[,TYPE...]", Doc: "any of a list: " + typeDoc,
		parse: fieldValue.types,
	},
	{
		Name: "size", Value: "SIZE", Doc: "the entry's own size in bytes",
		Needs: NeedsMeta, parse: fieldValue.numbers, read: fieldValue.size,
		number: func(e *listing.Entry) uint64 { return uint64(max(e.Size, 0)) },
		bounds: func(z *Zone) (lo, hi uint64) { return uint64(max(z.MinSize, 0)), uint64(max(z.MaxSize, 0)) },
	},
	{
		Name: "mtime", Value: "DURATION|DATE", Doc: "the time when its contents last changed",
		Needs: NeedsMeta, parse: fieldValue.mtime,
	},
	{
		Name: "owner", Value: "USER[:GROUP]", Doc: "USER, USER:GROUP or :GROUP, by name or number; ! before one means anyone else",
		Needs: NeedsMeta, parse: fieldValue.owner,
	},
	{
		Name: "group", Value: "GROUP", Doc: "a group, by name or number; ! before it means any other",
		Needs: NeedsMeta, parse: fieldValue.group,
	},
	{
		Name: "perm", Value: "OCTAL", Doc: "octal permissions: 4755 exactly these, -4000 all of these, /222 any of these",
		Needs: NeedsMeta, parse: fieldValue.perm,
	},
	{
		Name: "nlink", Aliases: []string{"links"}, Value: "N", Doc: "the number of hard links",
		Needs: NeedsMeta, parse: fieldValue.numbers, read: fieldValue.count,
		number: func(e *listing.Entry) uint64 { return uint64(e.Nlink) },
	},
	{
		Name: "inode", Aliases: []string{"inum"}, Value: "N", Doc: "the inode number",
		Needs: NeedsMeta, parse: fieldValue.numbers, read: fieldValue.count,
		number: func(e *listing.Entry) uint64 { return e.Ino },
	},
	{
		Name: "blocks", Value: "SIZE", Doc: "the size allocated on disk, written as for size:",
		Needs: NeedsMeta, parse: fieldValue.numbers, read: fieldValue.size,
		number: func(e *listing.Entry) uint64 { return uint64(max(e.Blocks, 0)) * 512 },
	},
	{
		Name: "depth", Value: "N", Doc: "the depth below --in or the root; 1 is directly in it",
		parse: fieldValue.depth,
	},
	{
		Name: "in", Value: "DIR", Doc: "everything below a directory, without the directory itself; a path, not a glob",
		Needs: NeedsPath, parse: fieldValue.in,
	},
	{
		Name: "re", Value: "REGEX", Doc: "a regular expression (RE2), found anywhere in the name, or in the whole path if it has a /",
		TermOnly: true, parse: fieldValue.regex,
	},
}

// Fields returns the table of fields. The caller must not change it.
func Fields() []Field { return fields[:] }

// fieldNamed returns the field of that name or alias, or nil.
func fieldNamed(name string) *Field {
	for i := range fields {
		if f := &fields[i]; f.Name == name || slices.Contains(f.Aliases, name) {
			return f
		}
	}
	return nil
}

// parseField reads w, which begins with n letters and a colon. term is set if w is part of a
// query, not a filter. Errors are about src.
func parseField(src string, w quotedText, n int, term bool, env *Env) (Expr, error) {
	name := w.cut(0, n).String()
	f := fieldNamed(strings.ToLower(name))
	if f == nil {
		hint := "fields are"
		for _, f := range fields {
			hint += " " + f.Name
		}
		if term {
			hint = wordHint(w.String()) + "; " + hint
		}
		return nil, &SyntaxError{src, w.at[0], "there is no field " + shown(name), hint}
	}
	v := fieldValue{src: src, field: f, quotedText: w.from(n + 1), env: env}
	if v.len() == 0 {
		hint := ""
		if term {
			hint = wordHint(w.String())
		}
		return nil, v.fail(0, f.Name+": has no value", hint)
	}
	if f.TermOnly && !term {
		return nil, &SyntaxError{src, w.at[0], f.Name + ": cannot be a filter", "it can only be a term"}
	}
	return f.parse(v)
}

// fieldValue is what follows the colon.
type fieldValue struct {
	src   string
	field *Field
	quotedText
	env *Env
}

func (v fieldValue) fail(i int, msg, hint string) error {
	return &SyntaxError{v.src, v.at[i], msg, hint}
}

// sub returns a part of the value.
func (v fieldValue) sub(i, j int) fieldValue {
	v.quotedText = v.cut(i, j)
	return v
}

func (v fieldValue) nameText() (Expr, error) {
	if i := slices.Index(v.b, '/'); i >= 0 {
		return nil, v.fail(i, "no name has a '/'", "for the path write path:")
	}
	return parseText(v.src, v.quotedText, WhereName)
}

func (v fieldValue) pathText() (Expr, error) { return parseText(v.src, v.quotedText, WherePath) }

func (v fieldValue) regex() (Expr, error) {
	if _, _, err := parseRegex(v.src, v.quotedText, false); err != nil {
		return nil, err
	}
	return &Text{Kind: RegexPattern, Pattern: v.String()}, nil
}

func (v fieldValue) in() (Expr, error) {
	dir, err := resolveDir(v.String(), v.env)
	if err != nil {
		return nil, v.fail(0, err.Error(), "")
	}
	return &In{dir}, nil
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

// typeDoc describes the types, in the order of typeNames.
const typeDoc = "f file, d directory, l symlink, s socket, p pipe, b block-device, c char-device, x executable, e empty"

// typeNames holds the names of each type. The first is the letter that Types uses.
var typeNames = [...][]string{
	{"f", "file", "regular"},
	{"d", "dir", "directory"},
	{"l", "link", "symlink"},
	{"s", "socket"},
	{"p", "pipe", "fifo"},
	{"b", "block", "block-device"},
	{"c", "char", "char-device"},
	{"x", "exec", "executable"},
	{"e", "empty"},
}

func (v fieldValue) types() (Expr, error) {
	var set [len(typeNames)]bool
	for _, x := range v.split() {
		i := slices.IndexFunc(typeNames[:], func(names []string) bool { return slices.Contains(names, x.String()) })
		if i < 0 {
			return nil, &SyntaxError{v.src, x.at[0], "there is no type " + shown(x.String()), "types are " + typeDoc}
		}
		set[i] = true
	}
	e := &Types{}
	for i, names := range typeNames {
		if set[i] {
			e.Letters += names[0]
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

// owner reads USER, USER:GROUP or :GROUP. '!' before either negates it.
func (v fieldValue) owner() (Expr, error) {
	user, group := v.sub(0, v.len()), v.sub(v.len(), v.len())
	if i := slices.Index(v.b, ':'); i >= 0 {
		user, group = v.sub(0, i), v.sub(i+1, v.len())
		if group.len() == 0 {
			return nil, group.fail(0, "the group is missing", "")
		}
	}
	return ownerOf(user, group)
}

func (v fieldValue) group() (Expr, error) { return ownerOf(v.sub(v.len(), v.len()), v) }

func ownerOf(user, group fieldValue) (Expr, error) {
	e := &Owner{}
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

// id returns the number of a user or group. As for chown, a name takes precedence over a
// number.
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
