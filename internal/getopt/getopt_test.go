package getopt

import (
	"errors"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"indexd/internal/testutil/scale"
)

var options = []Option{
	&Flag{Name: "limit", Aliases: []string{"n", "max-results"}, Value: "X"},
	&Flag{Name: "count", Aliases: []string{"c"}},
	&Flag{Name: "ignore-case", Aliases: []string{"i"}},
	&Flag{Name: "type", Aliases: []string{"t"}, Value: "X"},
	&Flag{Name: "size", Aliases: []string{"S"}, Value: "X"},
	&Flag{Name: "sync", Value: "X", Optional: true},
	&Flag{Name: "max-depth", Aliases: []string{"d"}, Value: "X"},
	&Flag{Name: "1"},
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ args, flags, operands, err string }{
		{"", "", "", ""},
		{"a b", "", "a b", ""},
		{"a -c b", "--count", "a b", ""},
		{"-n5 a", "--limit=5", "a", ""},
		{"a -n 5", "--limit=5", "a", ""},
		{"-ci", "--count --ignore-case", "", ""},
		{"-cn5", "--count --limit=5", "", ""},
		{"-cn 5 x", "--count --limit=5", "x", ""},
		{"-tf", "--type=f", "", ""},
		{"-n=5", "--limit==5", "", ""}, // getopt_long accepts no "=" after a short flag
		{"-S -10k", "--size=-10k", "", ""},
		{"-n --", "--limit=--", "", ""},
		{"-1 x", "--1", "x", ""},
		{"--limit=5", "--limit=5", "", ""},
		{"--limit 5 a", "--limit=5", "a", ""},
		{"--limit= a", "--limit=", "a", ""},
		{"--max-results 5", "--limit=5", "", ""},
		{"--lim 3", "--limit=3", "", ""},
		{"--sync a", "--sync", "a", ""},
		{"--sync=5s a", "--sync=5s", "a", ""},
		{"--sync=", "--sync=", "", ""},
		{"--sy", "--sync", "", ""},
		{"-- -c --limit", "", "-c --limit", ""},
		{"-c -- -c", "--count", "-c", ""},
		{"a -- b -c", "", "a b -c", ""},
		{"- a", "", "- a", ""},
		{"-c -c", "--count --count", "", ""},

		{"--bogus", "", "", "unknown flag --bogus"},
		{"--cuont", "", "", "unknown flag --cuont, did you mean --count?"},
		{"-z", "", "", "unknown flag -z"},
		{"-cz", "", "", "unknown flag -z"},
		{"-é", "", "", "unknown flag -é"},
		{"-unt", "", "", "unknown flag -u"},
		{"-limit 5", "", "", "unknown flag -l, did you mean --limit?"},
		{"-n", "", "", "flag -n needs a value"},
		{"--limit", "", "", "flag --limit needs a value"},
		{"--lim", "", "", "flag --lim needs a value"},
		{"--count=3", "", "", "flag --count takes no value"},
		{"--max 5", "", "", "flag --max is ambiguous: --max-depth, --max-results"},
		{"--s=5", "", "", "flag --s is ambiguous: --size, --sync"},
		{"--=5", "", "", "unknown flag --"},
		{"--n=5", "", "", "unknown flag --n"},
	} {
		args := strings.Fields(c.args)
		flags, operands, err := Parse(options, args)
		var got []string
		for _, f := range flags {
			got = append(got, f.String())
		}
		if g := strings.Join(got, " "); g != c.flags {
			t.Errorf("%q: flags %q, want %q", c.args, g, c.flags)
		}
		if g := strings.Join(operands, " "); g != c.operands {
			t.Errorf("%q: operands %q, want %q", c.args, g, c.operands)
		}
		if g := text(err); g != c.err {
			t.Errorf("%q: error %q, want %q", c.args, g, c.err)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestParseAsGetopt compares with util-linux's getopt(1), which calls glibc's getopt_long.
func TestParseAsGetopt(t *testing.T) {
	path, err := exec.LookPath("getopt")
	if err != nil {
		t.Skip("getopt(1) is not installed")
	}
	if err := exec.Command(path, "-T").Run(); err == nil {
		t.Skip("getopt(1) is not util-linux's")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	words := []string{
		"-c", "-i", "-ci", "-n5", "-n", "-cn", "-tf", "-1", "-S", "-10k", "-", "--", "---", "a", "b5", "",
		"--count", "--cou", "--count=1", "--limit", "--limit=5", "--limit=", "--lim", "--lim=x=y", "--l",
		"--sync", "--sync=3s", "--sy", "--s", "--max", "--max-d", "--max-r=1", "--max-results", "--bogus", "-z", "-cz",
	}
	for range scale.Size(t, "", 300, 300) {
		args := make([]string, r.IntN(6))
		for i := range args {
			args[i] = words[r.IntN(len(words))]
		}
		cmd := exec.Command(path, append([]string{"-q", "-o", "n:cit:S:d:1",
			"-l", "limit:,max-results:,count,ignore-case,type:,size:,sync::,max-depth:", "--"}, args...)...)
		cmd.Env = []string{"PATH=/usr/bin:/bin"} // without POSIXLY_CORRECT
		out, failed := cmd.Output()
		flags, operands, err := Parse(options, args)
		if (failed != nil) != (err != nil) {
			t.Fatalf("%q: getopt(1) %v, Parse %v", args, failed, err)
		}
		if err == nil {
			if got, want := likeGetopt(flags, operands), canonical(string(out)); got != want {
				t.Fatalf("%q:\n got %s\nwant %s", args, got, want)
			}
		}
	}
}

// likeGetopt formats what was parsed as getopt(1) does.
func likeGetopt(flags []Arg, operands []string) string {
	var b strings.Builder
	for _, f := range flags {
		name := "--" + f.Option.Names()[0]
		if name == "--1" {
			name = "-1"
		}
		b.WriteString(" " + name)
		if f.Option.TakesValue() {
			b.WriteString(" '" + f.Value + "'")
		}
	}
	b.WriteString(" --")
	for _, o := range operands {
		b.WriteString(" '" + o + "'")
	}
	return b.String()
}

// canonical replaces the flags before "--" by their first names. Values are in quotes.
func canonical(out string) string {
	words := strings.Split(strings.TrimSuffix(out, "\n"), " ")
	for i, w := range words {
		if w == "--" {
			break
		}
		switch w {
		case "-n", "--max-results":
			words[i] = "--limit"
		case "-c":
			words[i] = "--count"
		case "-i":
			words[i] = "--ignore-case"
		case "-t":
			words[i] = "--type"
		case "-S":
			words[i] = "--size"
		case "-d":
			words[i] = "--max-depth"
		}
	}
	return strings.Join(words, " ")
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"-cn5\x00a\x00--", "--sync\x00a", "--limit\x005", "--\x00-c", "-é", "--max", "-\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		args := strings.Split(s, "\x00")
		flags, operands, err := Parse(options, args)
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || e.Error() == "" {
				t.Fatalf("error %v", err)
			}
			return
		}
		// The canonical form parses to the same.
		var again []string
		for _, f := range flags {
			if f.HasValue && !f.Option.TakesValue() || !f.HasValue && f.Option.TakesValue() && !optional(f.Option) {
				t.Fatalf("flag %+v", f)
			}
			if f.Option.Names()[0] == "1" {
				again = append(again, "-1")
			} else {
				again = append(again, f.String())
			}
		}
		again = append(append(again, "--"), operands...)
		flags2, operands2, err := Parse(options, again)
		if err != nil || !slices.Equal(flags, flags2) || !slices.Equal(operands, operands2) {
			t.Fatalf("%q read again as %q: %v", args, again, err)
		}
	})
}
