package getopt

import (
	"io"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// app has what Arrange must cope with: a flag of the app that a command has
// too, commas in values, and terms that look like commands.
func app(ran *string) *cli.App {
	note := func(c *cli.Context) error {
		*ran = c.Command.Name + " sock=" + c.String("socket")
		for _, e := range c.StringSlice("ext") {
			*ran += " ext=" + e
		}
		if c.Bool("verbose") {
			*ran += " verbose"
		}
		*ran += " [" + strings.Join(c.Args().Slice(), "|") + "]"
		return nil
	}
	return &cli.App{
		Name: "x", Writer: io.Discard, DisableSliceFlagSeparator: true, Version: "1.2",
		ExitErrHandler: func(*cli.Context, error) {},
		Flags:          []cli.Flag{&cli.StringFlag{Name: "socket", Aliases: []string{"s"}}},
		Commands: []*cli.Command{
			{Name: "find", HideHelpCommand: true, Action: note, Flags: []cli.Flag{
				&cli.BoolFlag{Name: "case-sensitive", Aliases: []string{"s"}},
				&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}},
				&cli.StringSliceFlag{Name: "ext", Aliases: []string{"e"}},
			}},
			{Name: "status", HideHelpCommand: true, Action: note},
		},
	}
}

func TestArrange(t *testing.T) {
	for _, c := range []struct{ args, arranged, ran, err string }{
		{"x", "x", "", ""},
		{"x find a", "x find -- a", "find sock= [a]", ""},
		{"x find a -v b", "x find --verbose -- a b", "find sock= verbose [a|b]", ""},
		{"x find help", "x find -- help", "find sock= [help]", ""},
		{"x find find -- -v", "x find -- find -v", "find sock= [find|-v]", ""},
		{"x find -ea,b -vec", "x find --ext=a,b --verbose --ext=c -- ", "find sock= ext=a,b ext=c verbose []", ""},
		{"x -s1 find", "x --socket=1 find -- ", "find sock=1 []", ""},
		{"x find --socket 1 a", "x --socket=1 find -- a", "find sock=1 [a]", ""},
		{"x find -s a", "x find --case-sensitive -- a", "find sock= [a]", ""},
		{"x status -s a", "x --socket=a status -- ", "status sock=a []", ""},
		{"x -- find -v", "x find -- -v", "find sock= [-v]", ""},
		{"x find --help a", "x find --help -- ", "", ""},
		{"x help find", "x help -- find", "", ""},
		{"x status --version", "x --version status -- ", "", ""},
		{"x fnid", "", "", `unknown command "fnid", did you mean "find"?`},
		{"x bogus", "", "", `unknown command "bogus"`},
		{"x -z find", "", "", "unknown flag -z"},
		{"x status --ext a", "", "", "unknown flag --ext"},
	} {
		var ran string
		a := app(&ran)
		args, _, err := Arrange(a, strings.Fields(c.args))
		if got := text(err); got != c.err {
			t.Errorf("%s: error %q, want %q", c.args, got, c.err)
		}
		if got := strings.Join(args, " "); strings.TrimSpace(got) != strings.TrimSpace(c.arranged) {
			t.Errorf("%s: arranged %q, want %q", c.args, got, c.arranged)
		}
		if err != nil {
			continue
		}
		if err := a.Run(args); err != nil {
			t.Errorf("%s: run: %v", c.args, err)
		}
		if ran != c.ran {
			t.Errorf("%s: ran %q, want %q", c.args, ran, c.ran)
		}
	}
}
