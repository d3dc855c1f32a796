package main

import (
	"strings"

	"indexd/internal/manual"
)

// printManual prints the manual page, made of what help is made of.
func (p *program) printManual() error {
	page := manual.Page{
		Name: "indexctl", Section: 1, Version: version,
		Usage:    "ask indexd, the live file index",
		Synopsis: []string{"indexctl [--socket PATH] COMMAND [FLAGS] [ARGUMENTS]"},
		Sections: []manual.Section{
			{Heading: "DESCRIPTION", Text: "Asks indexd(8), which keeps an index of every file and follows changes as they happen. " +
				"Answers come from the index, not from the disk.\n\n" +
				"Flags may stand anywhere before \"--\", short ones bundled or with their value attached."},
			p.manualCommands(),
			{Heading: "GLOBAL OPTIONS", Items: manualFlags(p.flags())},
			manualTerms(),
			{Heading: "EXIT STATUS", Items: manualStatuses(), Text: "Where several apply, the first of 2, 3, 4, 1, 0. That of locate is 0 or 1, as plocate(1)'s."},
			{Heading: "ENVIRONMENT", Items: []manual.Item{
				{Term: "INDEXD_SOCKET", Text: "where indexd listens, unless --socket says so"},
				{Term: "NO_COLOR", Text: "no colours, unless --color says so"},
			}},
			{Heading: "FILES", Items: []manual.Item{
				{Term: "$XDG_RUNTIME_DIR/indexd/indexd.sock", Text: "the socket of the user's own indexd, tried first"},
				{Term: "/run/indexd/indexd.sock", Text: "the socket of the system's"},
			}},
		},
		SeeAlso: []string{"indexd(8)", "plocate(1)", "find(1)"},
	}
	return page.Write(p.out)
}

func (p *program) manualCommands() manual.Section {
	all := manual.Section{Heading: "COMMANDS"}
	for _, m := range commands() {
		c := m.command(p)
		all.Parts = append(all.Parts, manual.Section{
			Heading: strings.TrimRight("indexctl "+c.name+" [FLAGS] "+c.takes, " "),
			Text:    c.usage + ".\n\n" + c.about,
			Items:   manualFlags(c.flags),
		})
	}
	return all
}

func manualFlags(flags []*flag) (list []manual.Item) {
	for _, f := range shown(flags) {
		list = append(list, manual.Item{Term: f.form(), Text: f.usage})
	}
	return list
}

// manualTerms is the query language on a page; docs/query.md has all of it.
func manualTerms() manual.Section {
	return manual.Section{
		Heading: "TERMS",
		Text: "What find takes. A query of several words matches what matches all of them. " +
			"Terms that hold characters of the shell's are to be quoted for it.",
		Items: []manual.Item{
			{Term: "word", Text: "in the name, or with a / in it, in the path; without regard to case unless the word has a capital"},
			{Term: "*.go  src/**/x?", Text: "a glob on the whole name; with a / in it, on the path"},
			{Term: `"any text"`, Text: "this text, whatever it holds"},
			{Term: "A OR B  A | B  NOT A  ( ... )", Text: "operators, as words of their own; NOT before AND, which is a blank, before OR"},
			{Term: "name: path: re:", Text: "match in the name, in the path, or by a regular expression (RE2)"},
			{Term: "ext:c,h  type:f  in:DIR  depth:2", Text: "extension, type (f d l s p b c x e), subtree, depth"},
			{Term: "size:+1M  size:10k..1M  mtime:-2020-01-01  mtime:2d", Text: "more (+ or >), less (- or <), or between; sizes in powers of 1024, times as dates or ages"},
			{Term: "owner:NAME  group:NAME  perm:-4000", Text: "owner, group, permissions (all of the bits with -, any with /)"},
		},
	}
}

func manualStatuses() []manual.Item {
	return []manual.Item{
		{Term: "0", Text: "found, or done"},
		{Term: "1", Text: "nothing found (find), differences found (check), a part failed (rescan --wait)"},
		{Term: "2", Text: "wrong usage, or a wrong query"},
		{Term: "3", Text: "indexd cannot be reached, refuses, or its answer was cut off"},
		{Term: "4", Text: "nothing found, or --strict, and the part asked about is not complete or may be old; --sync was not met"},
	}
}
