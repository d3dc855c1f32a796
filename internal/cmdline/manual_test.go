package cmdline

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"indexd/internal/getopt"
)

// TestWriteManual checks that man(1) shows the definitions to the letter.
func TestWriteManual(t *testing.T) {
	if _, err := exec.LookPath("man"); err != nil {
		t.Skip("man is not installed")
	}
	hostile := `.TH 'a' \fBno\fR "quoted" - -- --long-flag ~/x ^y ` + "`z`" + ` \n *.go [a](b) <c> a_b_c 1. # & % $HOME`
	flags := Flags([]*getopt.Flag{
		{Name: "flag", Aliases: []string{"f"}, Value: "A|B[:C]", Usage: hostile},
		{Name: "sync", Value: "T", Optional: true, Usage: "a text"},
		{Name: "secret", Hidden: true, Usage: "hidden"},
	})
	app := &cli.App{
		Name: "thing", Usage: hostile, UsageText: "thing [FLAGS]", Flags: flags,
		Description: hostile + "\n\n.third\nbash: one",
		Commands:    []*cli.Command{{Name: "do", UsageText: "thing do [FLAGS] [TERM...]", Usage: "do it", Description: "a: b\nc: d", Flags: append(slices.Clone(flags[1:]), &getopt.Flag{Name: "own", Usage: "its own"})}},
	}
	var page strings.Builder
	if err := WriteManual(&page, app, 8, "# SEE ALSO\n\n**other**(1)"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "MANWIDTH=200", "LC_ALL=C.UTF-8", "MAN_KEEP_FORMATTING="}
	cmd.Stdin = strings.NewReader(page.String())
	var warnings strings.Builder
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil || warnings.Len() > 0 {
		t.Fatalf("%v\n%s", err, &warnings)
	}
	shown := regexp.MustCompile(`\x1b\[[0-9;]*m|.\x08`).ReplaceAllString(string(out), "")
	words := strings.Join(strings.Fields(shown), " ") // man may break lines at any width
	for _, want := range []string{
		"NAME thing - " + hostile + " SYNOPSIS thing [FLAGS] DESCRIPTION " + hostile + " .third bash: one COMMANDS",
		"COMMANDS thing do [FLAGS] [TERM...] do it. a: b c: d --own its own GLOBAL",
		"GLOBAL OPTIONS --flag A|B[:C], -f A|B[:C] " + hostile + " --sync[=T] a text SEE ALSO other(1) thing devel THING(8)",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("%q is not in it", want)
		}
	}
	if !regexp.MustCompile(`\n +a: b\n +c: d\n`).MatchString(shown) {
		t.Error("lines with labels are joined")
	}
	if strings.Contains(shown, "secret") {
		t.Error("a hidden flag is shown")
	}
	if t.Failed() {
		t.Logf("%s\n%s", shown, page.String())
	}
}
