package main

import "indexd/internal/cmdline"

// printManual prints the manual page.
func (p *program) printManual() (err error) {
	app := p.app()
	app.Description = "indexctl queries indexd(8), which keeps an index of all files up to date as they change. Answers " +
		"come from the index, not from the disk.\n\n" +
		"Flags may stand anywhere before \"--\", short ones bundled or with their value attached."
	if app.Commands, err = p.commands(""); err != nil {
		return err
	}
	return cmdline.WriteManual(p.Out, app, 1, manualSections)
}

// manualSections are the sections of the manual page that no definition contains, in
// Markdown.
const manualSections = `
# TERMS

The arguments of find form one query. An entry matches if it matches every term. Quote terms
that contain characters which are special to the shell. The full language is described in
docs/query.md of the source.

**word**
: the name contains the word or, if the word contains a /, the path does; case is ignored unless the word contains a capital letter

**\*.go**, **src/\*\*/x?**
: a glob that matches the whole name or, if it contains a /, the path

**"any text"**
: exactly this text

**A OR B**, **A | B**, **NOT A**, **( ... )**
: operators, written as separate words; NOT binds tighter than adjacency (AND), which binds tighter than OR

**name:**TEXT, **path:**TEXT, **re:**REGEX
: matches in the name, in the path, or by a regular expression (RE2)

**ext:c,h**, **type:f**, **in:**DIR, **depth:2**
: extension, type (f d l s p b c x e), subtree, depth

**size:+1M**, **size:10k..1M**, **mtime:-2020-01-01**, **mtime:2d**
: more (+ or >), less (- or <), or a range; sizes in powers of 1024, times as dates or ages

**owner:**NAME, **group:**NAME, **perm:-4000**
: owner, group, permissions (- all of the bits, / any of them)

# EXAMPLES

**indexctl find report ext:pdf mtime:7d**
: PDF files with "report" in their name that changed during the last week

**indexctl find --sort size -n 20 --in ~**
: the 20 largest files below the home directory

**indexctl find -l type:d NOT path:/proc node_modules**
: details of directories called node_modules, without those below /proc

**indexctl find --sync ext:go | wc -l**
: the number of Go files, including every change made before the call

# EXIT STATUS

**0**
: found, or done

**1**
: nothing found (find), differences found (check), or a part failed (rescan \-\-wait)

**2**
: wrong usage or a wrong query

**3**
: indexd cannot be reached or refuses, or its answer was cut off

**4**
: the part asked about is incomplete or not up to date, and nothing was found or \-\-strict was given; or \-\-sync was not met

If several apply, the first of 2, 3, 4, 1, 0 is used. The exit status of locate is 0 or 1, as
that of plocate(1).

# ENVIRONMENT

**INDEXD_SOCKET**
: where indexd listens; \-\-socket takes precedence

**NO_COLOR**
: if set, matches are not coloured; \-\-color takes precedence

# FILES

**$XDG_RUNTIME_DIR/indexd/indexd.sock**
: the socket of the user's own indexd, which is tried first

**/run/indexd/indexd.sock**
: the socket of the system's indexd

# SEE ALSO

**indexd**(8), **plocate**(1), **find**(1)
`
