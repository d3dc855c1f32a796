//go:build !urfave_cli_no_docs

package cmdline

import (
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"indexd/internal/getopt"
	"indexd/internal/version"
)

// ManualFlags returns the hidden flag --manual, which sets show. It exists only in builds
// without the tag urfave_cli_no_docs, which "make install" runs to write the manual pages.
// Programs as installed do not have it, because the library's code for manual pages slows
// down every start.
func ManualFlags(show *bool) []*getopt.Flag {
	return []*getopt.Flag{{Name: "manual", Hidden: true, Set: getopt.On(show)}}
}

// WriteManual writes the manual page of app in roff. sections, in Markdown, come after those
// made from the definitions. It changes the definitions.
func WriteManual(w io.Writer, app *cli.App, section int, sections string) error {
	app.Usage, app.UsageText, app.Description = literal(app.Usage), literal(app.UsageText), literal(app.Description)
	escapeUsage(app.Flags)
	global := make(map[string]bool)
	for _, f := range app.Flags {
		global[f.Names()[0]] = true
	}
	for _, c := range app.Commands {
		c.Usage, c.UsageText = literal(c.Usage), literal(c.UsageText)
		c.Description = label.ReplaceAllString(literal(c.Description), "  \n$1")
		escapeUsage(c.Flags)
		c.Flags = slices.DeleteFunc(c.Flags, func(f cli.Flag) bool { return global[f.Names()[0]] })
	}
	app.HelpName, app.Version = strings.ToUpper(app.Name), version.Version
	app.Copyright = sections
	cli.MarkdownDocTemplate = page
	text, err := app.ToManWithSection(section)
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		switch {
		case line[0] != '.':
			line = ascii.Replace(line)
		case strings.HasPrefix(line, ".TH "):
			line += ".nh\n.ad l\n" // .TH turns hyphenation and justification on
		}
		if _, err := io.WriteString(w, line); err != nil {
			return err
		}
	}
	return nil
}

// ascii replaces characters that roff would turn into typographic ones.
var ascii = strings.NewReplacer(`\-`, `\-`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

// page is the template of a page in Markdown.
const page = `% {{.App.HelpName}} {{.SectionNum}} "" "{{.App.Name}} {{.App.Version}}" ""

# NAME

{{.App.Name}} - {{.App.Usage}}

# SYNOPSIS

{{.App.UsageText}}

# DESCRIPTION

{{.App.Description}}
{{- if .App.Commands}}

# COMMANDS
{{- range .App.Commands}}

### {{.UsageText}}

{{.Usage}}.
{{- if .Description}}

{{.Description}}
{{- end}}
{{- range .VisibleFlags}}

**{{.Form}}**
: {{.GetUsage}}
{{- end}}{{end}}{{end}}

# {{if .App.Commands}}GLOBAL {{end}}OPTIONS
{{- range .App.VisibleFlags}}

**{{.Form}}**
: {{.GetUsage}}
{{- end}}

{{.App.Copyright}}
`

func escapeUsage(flags []cli.Flag) {
	for _, f := range flags {
		f := f.(*getopt.Flag)
		f.Usage = literal(f.Usage)
		if f.EnvVar != "" {
			f.Usage += " (" + literal(f.EnvVar) + ")"
		}
	}
}

// special matches the characters that a backslash escapes in Markdown.
var special = regexp.MustCompile("[\\\\`*_{}\\[\\]()#+.!<>~|-]")

// label matches a line that begins with a label, which is to stay a line.
var label = regexp.MustCompile(`\n(\w+: )`)

// literal returns text as Markdown that means exactly that text.
func literal(text string) string { return special.ReplaceAllString(text, `\$0`) }
