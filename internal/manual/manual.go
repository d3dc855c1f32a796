// Package manual writes manual pages, in the roff of man(7), out of the tables
// that a program's help is printed from. It imports little: indexctl does.
package manual

import (
	"fmt"
	"io"
	"strings"
)

// Page is a manual page.
type Page struct {
	Name    string // of the program
	Section int
	Version string
	Usage   string // what it does, in a line
	// Synopsis is how it is called, a line each, from the program's name.
	Synopsis []string
	Sections []Section
	SeeAlso  []string // as "name(section)"
}

// Section is one of a page's, under a heading.
type Section struct {
	Heading string // in capitals
	Text    string
	Items   []Item
	Parts   []Section // under lesser headings
}

// Item is a term and what is said of it.
type Item struct {
	Term string // as it is written
	Text string
}

// Write writes the page. The error is w's.
func (p *Page) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s %d \"\" \"%s %s\"\n", strings.ToUpper(p.Name), p.Section, p.Name, quoted(p.Version))
	// No hyphenation, ragged right: names and flags are read letter by letter.
	b.WriteString(".nh\n.ad l\n")
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n", escape(p.Name), escape(p.Usage))
	for i, s := range p.Synopsis {
		if i > 0 {
			b.WriteString(".br\n")
		}
		name, rest, _ := strings.Cut(s, " ")
		fmt.Fprintf(&b, "\\fB%s\\fR %s\n", escape(name), escape(rest))
	}
	for _, s := range p.Sections {
		s.write(&b, ".SH")
	}
	if len(p.SeeAlso) > 0 {
		b.WriteString(".SH \"SEE ALSO\"\n")
		for i, s := range p.SeeAlso {
			name, section, _ := strings.Cut(s, "(")
			comma := ","
			if i == len(p.SeeAlso)-1 {
				comma = ""
			}
			fmt.Fprintf(&b, ".BR %s (%s%s\n", escape(name), section, comma)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (s *Section) write(b *strings.Builder, heading string) {
	fmt.Fprintf(b, "%s \"%s\"\n", heading, quoted(s.Heading))
	text(b, s.Text)
	for _, i := range s.Items {
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n", escape(i.Term))
		text(b, i.Text)
	}
	for _, part := range s.Parts {
		part.write(b, ".SS")
	}
}

// text writes lines to be filled; an empty one parts paragraphs. A line that
// begins with a word and a colon stands by itself.
func text(b *strings.Builder, lines string) {
	if lines == "" {
		return
	}
	for line := range strings.SplitSeq(lines, "\n") {
		if line == "" {
			b.WriteString(".PP\n")
			continue
		}
		if labelled(line) {
			b.WriteString(".br\n")
		}
		b.WriteString(escape(line) + "\n")
	}
}

func labelled(line string) bool {
	word, _, ok := strings.Cut(line, ": ")
	return ok && !strings.ContainsAny(word, " ")
}

// escape makes s text and nothing else.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "…", `\&...\&`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

// quoted is escape for an argument in quotes.
func quoted(s string) string { return strings.ReplaceAll(escape(s), `"`, `\(dq`) }
