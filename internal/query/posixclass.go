package query

// posixClass returns the contents of the POSIX class [:name:] as part of an RE2 class, or ""
// if there is no such class. They are what glibc 2.36 has in UTF-8 locales, except for marks
// and circled letters, which Unicode lists individually.
func posixClass(name string) string {
	const (
		alpha = `\p{L}\p{Nl}`
		spare = `\x{2028}\x{2029}`
		blank = `\t \x{1680}\x{2000}-\x{2006}\x{2008}-\x{200A}\x{205F}\x{3000}`
		graph = `\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}`
	)
	switch name {
	case "alnum":
		return alpha + `\p{Nd}`
	case "alpha":
		return alpha
	case "blank":
		return blank
	case "cntrl":
		return `\x00-\x1F\x7F-\x{9F}` + spare
	case "digit":
		return `0-9`
	case "graph":
		return graph + `\x{A0}\x{2007}\x{202F}`
	case "lower":
		return `\p{Ll}`
	case "print":
		return graph + `\p{Zs}`
	case "punct":
		return `\p{P}\p{S}\p{M}\p{No}\p{Cf}\p{Co}\x{A0}\x{2007}\x{202F}`
	case "space":
		return `\n-\r` + blank + spare
	case "upper":
		return `\p{Lu}\p{Lt}`
	case "xdigit":
		return `0-9A-Fa-f`
	}
	return ""
}

// posixWord returns what \w stands for, as part of an RE2 class.
func posixWord() string { return posixClass("alnum") + "_" }
