package manual

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestPage: what man(1) shows is what was said, to the letter.
func TestPage(t *testing.T) {
	if _, err := exec.LookPath("man"); err != nil {
		t.Skip("man is not installed")
	}
	hostile := `.TH 'a' \fBno\fR "quoted" - -- --long-flag ~/x ^y ` + "`z`" + ` \n …`
	p := &Page{
		Name: "thing", Section: 8, Version: `1.0~a-"b"`, Usage: hostile,
		Synopsis: []string{"thing [FLAGS]", "thing --" + hostile},
		Sections: []Section{
			{Heading: `A "B" C`, Text: hostile + "\nsecond\n\n.third\nbash: one\nfish:  two", Items: []Item{{"--flag, -f " + hostile, ".text"}}},
			{Heading: "PARTS", Parts: []Section{{Heading: "part one", Text: "'text"}}},
		},
		SeeAlso: []string{"other(1)", "systemd.unit(5)"},
	}
	var page strings.Builder
	if err := p.Write(&page); err != nil {
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
	hostile = strings.ReplaceAll(hostile, "…", "...")
	for _, want := range []string{
		"thing - " + hostile + "\n", "\n       thing [FLAGS]\n", "\n       thing --" + hostile + "\n", `A "B" C`,
		hostile + " second\n", "\n       .third\n       bash: one\n       fish:  two\n", "\n       --flag, -f " + hostile + "\n", "\n              .text\n",
		"\n   part one\n       'text\n", "other(1), systemd.unit(5)\n", `thing 1.0~a-"b"`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
}
