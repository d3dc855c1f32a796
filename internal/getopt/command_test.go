package getopt

import (
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
)

// TestCommand has commas in values, and terms that look like commands.
func TestCommand(t *testing.T) {
	global := []Option{&Flag{Name: "socket", Value: "PATH"}, &Flag{Name: "help", Aliases: []string{"h"}}}
	commands := map[string][]Option{
		"find": {
			&Flag{Name: "case-sensitive", Aliases: []string{"s"}},
			&Flag{Name: "verbose", Aliases: []string{"v"}},
			&Flag{Name: "sync", Value: "TIMEOUT", Optional: true},
			&Flag{Name: "ext", Aliases: []string{"e"}, Value: "EXT"},
		},
		"status": nil,
	}
	for _, c := range []struct{ args, read, err string }{
		{"", "", ""},
		{"find a", "find -- a", ""},
		{"find a -v b", "find --verbose -- a b", ""},
		{"find help", "find -- help", ""},
		{"find find -- -v", "find -- find -v", ""},
		{"find -ea,b -vec", "find --ext=a,b --verbose --ext=c --", ""},
		{"find --sync a", "find --sync= -- a", ""},
		{"find --sync=true", "find --sync=true --", ""},
		{"--sock 1 find", "--socket=1 find --", ""},
		{"find --socket 1 a", "find --socket=1 -- a", ""},
		{"find -s a", "find --case-sensitive -- a", ""},
		{"status --socket a", "status --socket=a --", ""},
		{"status -s a", "", "unknown flag -s"},
		{"-- find -v", "find -- -v", ""},
		{"find --help a", "find --help -- a", ""},
		{"-h", "--help", ""},
		{"-h --", "--help", ""},
		{"-z find", "", "unknown flag -z"},
		{"status --ext a", "", "unknown flag --ext"},
	} {
		flags, name, rest, err := Command(global, strings.Fields(c.args))
		read := Canonical(flags)
		if err == nil && name != "" {
			flags, rest, err = Parse(slices.Concat(commands[name], global), rest)
			read = slices.Concat(read, []string{name}, Canonical(flags), []string{"--"}, rest)
		}
		if got := text(err); got != c.err {
			t.Errorf("%s: error %q, want %q", c.args, got, c.err)
		}
		if got := strings.Join(read, " "); err == nil && got != c.read {
			t.Errorf("%s: read %q, want %q", c.args, got, c.read)
		}
	}
}

// FuzzCanonical checks that package flag reads canonical arguments as Parse reads the
// original ones.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"-cn5\x00a\x00--", "--sync\x00a", "--sync=true", "-n=\x00--limit\x00--", "--\x00-c", "-1", "a\x00-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got []string
		set := flag.NewFlagSet("", flag.ContinueOnError)
		set.SetOutput(io.Discard)
		for _, o := range options {
			fl := *o.(*Flag)
			fl.Set = func(v string) error {
				got = append(got, fl.Name+"="+v)
				return nil
			}
			if err := fl.Apply(set); err != nil {
				t.Fatal(err)
			}
		}
		args := strings.Split(s, "\x00")
		flags, operands, err := Parse(options, args)
		if err != nil {
			return
		}
		canonical := slices.Concat(Canonical(flags), []string{"--"}, operands)
		if err := set.Parse(canonical); err != nil {
			t.Fatalf("%q: %v", canonical, err)
		}
		var want []string
		for _, f := range flags {
			want = append(want, f.Option.Names()[0]+"="+f.Value)
		}
		if !slices.Equal(got, want) || !slices.Equal(set.Args(), operands) {
			t.Fatalf("%q: flags %q, operands %q; want %q, %q", args, got, set.Args(), want, operands)
		}
	})
}
