package getopt

import (
	"slices"
	"strings"
	"testing"
)

// A flag of the program that a command has too, commas in values, and terms that
// look like commands.
func TestCommand(t *testing.T) {
	global := []Option{{Names: []string{"socket", "s"}, Value: Required}, {Names: []string{"help", "h"}}}
	commands := map[string][]Option{
		"find": {
			{Names: []string{"case-sensitive", "s"}},
			{Names: []string{"verbose", "v"}},
			{Names: []string{"ext", "e"}, Value: Required},
		},
		"status": nil,
		"shadow": {{Names: []string{"socket"}}},
	}
	for _, c := range []struct{ args, read, err string }{
		{"", "", ""},
		{"find a", "find -- a", ""},
		{"find a -v b", "find --verbose -- a b", ""},
		{"find help", "find -- help", ""},
		{"find find -- -v", "find -- find -v", ""},
		{"find -ea,b -vec", "find --ext=a,b --verbose --ext=c --", ""},
		{"-s1 find", "--socket=1 find --", ""},
		{"find --socket 1 a", "find --socket=1 -- a", ""},
		{"find -s a", "find --case-sensitive -- a", ""},
		{"status -s a", "status --socket=a --", ""},
		{"shadow --socket a", "shadow --socket -- a", ""},
		{"shadow -s a", "", "unknown flag -s"},
		{"-- find -v", "find -- -v", ""},
		{"find --help a", "find --help -- a", ""},
		{"-h", "--help", ""},
		{"-h --", "--help", ""},
		{"-z find", "", "unknown flag -z"},
		{"status --ext a", "", "unknown flag --ext"},
	} {
		var read []string
		note := func(flags []Flag) {
			for _, f := range flags {
				read = append(read, f.String())
			}
		}
		flags, name, rest, err := Command(global, strings.Fields(c.args))
		note(flags)
		if err == nil && name != "" {
			own := commands[name]
			read = append(read, name)
			flags, rest, err = Parse(slices.Concat(own, Unshadowed(global, own)), rest)
			note(flags)
			read = append(append(read, "--"), rest...)
		}
		if got := text(err); got != c.err {
			t.Errorf("%s: error %q, want %q", c.args, got, c.err)
		}
		if got := strings.Join(read, " "); err == nil && got != c.read {
			t.Errorf("%s: read %q, want %q", c.args, got, c.read)
		}
	}
}
