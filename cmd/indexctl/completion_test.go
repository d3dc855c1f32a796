package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"indexd/internal/testutil/scale"
)

// completionFile writes a completion script to a file and returns its name.
func completionFile(t *testing.T, shell string) string {
	t.Helper()
	if _, err := exec.LookPath(shell); err != nil {
		t.Skipf("%s is not installed", shell)
	}
	file := filepath.Join(t.TempDir(), "indexctl."+shell)
	script, err := completionScripts.ReadFile("completion/indexctl." + shell)
	if err == nil {
		err = os.WriteFile(file, script, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // the shell may ask something
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TERM=dumb", "LC_ALL=C.UTF-8"}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s: %v\n%s", name, err, &stderr)
	}
	return string(out)
}

// tree returns a directory with files to complete.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "submarine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

const allCommands = "find locate rescan jobs cancel wait status explain check completion help"

func TestBashCompletion(t *testing.T) {
	scale.SkipIfShort(t)
	file, dir := completionFile(t, "bash"), tree(t)
	const ask = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
		_indexctl; printf '%s\n' "${COMPREPLY[@]}"`
	for _, c := range []struct {
		words []string // as bash splits them: "=" is a word of its own
		want  string   // separated by "|"
	}{
		{[]string{""}, strings.ReplaceAll(allCommands, " ", "|")},
		{[]string{"c"}, "cancel|check|completion"},
		{[]string{"--so"}, "--socket"},
		{[]string{"--socket", "sub"}, "sub dir|submarine"},
		{[]string{"--socket", "x", "st"}, "status"},
		{[]string{"--socket", "=", "x", "st"}, "status"},
		{[]string{"find", "--so"}, "--sort|--socket"},
		{[]string{"find", "--sort", ""}, "path|name|size|mtime|ext|blocks"},
		{[]string{"find", "--sort", "="}, "path|name|size|mtime|ext|blocks"},
		{[]string{"find", "--sort", "=", "n"}, "name"},
		{[]string{"find", "--in", "sub"}, "sub dir"},
		{[]string{"find", "-n", ""}, ""},
		{[]string{"find", "-n", "5", "--max"}, "--max-depth|--max-results"},
		{[]string{"find", "--sync", "--max-d"}, "--max-depth"},
		{[]string{"find", "--sync", "=", "5s", "--max-d"}, "--max-depth"},
		{[]string{"find", "term", "--color", "a"}, "auto|always"},
		{[]string{"find", "--", "--c"}, ""},
		{[]string{"find", "sub"}, ""},
		{[]string{"rescan", "sub"}, "sub dir|submarine"},
		{[]string{"rescan", "--", "sub"}, "sub dir|submarine"},
		{[]string{"rescan", "--ver"}, "--verbose|--version"},
		{[]string{"completion", "z"}, "zsh"},
		{[]string{"help", "ch"}, "check"},
	} {
		out := run(t, dir, "bash", append([]string{"--norc", "-c", ask, "bash", file, "indexctl"}, c.words...)...)
		if got := strings.ReplaceAll(strings.TrimSpace(out), "\n", "|"); got != c.want {
			t.Errorf("%q: %s, want %s", c.words, got, c.want)
		}
	}
}

func TestFishCompletion(t *testing.T) {
	scale.SkipIfShort(t)
	file, dir := completionFile(t, "fish"), tree(t)
	for _, c := range []struct{ line, want string }{
		{"indexctl ", allCommands},
		{"indexctl c", "cancel check completion"},
		{"indexctl find --so", "--socket --sort"},
		{"indexctl find --sort n", "name"},
		{"indexctl find --sort=n", "--sort=name"},
		{"indexctl find --in sub", "sub\\ dir/"},
		{"indexctl rescan sub", "sub\\ dir/ submarine"},
		{"indexctl rescan --wa", "--wait"},
		{"indexctl completion z", "zsh"},
	} {
		out := run(t, dir, "fish", "--no-config", "-c", `source $argv[1]; complete -C $argv[2]`, file, c.line)
		var got []string
		for line := range strings.Lines(out) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		want := strings.Split(c.want, " ")
		if strings.Contains(c.want, `\`) {
			want = strings.Split(strings.ReplaceAll(c.want, `\ `, "\x00"), " ")
			for i := range want {
				want[i] = strings.ReplaceAll(want[i], "\x00", " ")
			}
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], `\ `, " ")
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", c.line, got, want)
		}
	}
}

// TestZshCompletion types into a zsh and lets it print what the line has become. A space or
// slash that was added after a completed word disappears when something else is typed.
func TestZshCompletion(t *testing.T) {
	scale.SkipIfShort(t)
	file, dir := completionFile(t, "zsh"), tree(t)
	const ask = `
		zmodload zsh/zpty || exit 1
		zpty z zsh -f -i
		zpty -w z "PS1=; TERM=dumb; autoload -Uz compinit; compinit -D -u; source $1; bindkey -e; bindkey '^I' complete-word; print R\$((1+1))"
		zpty -r -m z out '*R2*' || exit 1
		for line in ${@:2}; do
			zpty -w -n z "$line"$'\t\x01print -r -- "G$((1+1))\x05<"\n'
			zpty -r -m z out '*G2*<*' || exit 1
			print -r -- ${${out##*G2}%%<*}
		done`
	lines := []struct{ typed, want string }{
		{"indexctl comp", "indexctl completion"},
		{"indexctl find --sor", "indexctl find --sort"},
		{"indexctl find --sort=na", "indexctl find --sort=name"},
		{"indexctl find --sort na", "indexctl find --sort name"},
		{"indexctl find x -ci --no-w", "indexctl find x -ci --no-warn"},
		{"indexctl find --in sub", `indexctl find --in sub\ dir`},
		{"indexctl rescan subm", "indexctl rescan submarine"},
		{"indexctl completion z", "indexctl completion zsh"},
	}
	args := []string{"-f", "-c", ask, "zsh", file}
	for _, l := range lines {
		args = append(args, l.typed)
	}
	got := strings.Split(strings.TrimSuffix(run(t, dir, "zsh", args...), "\n"), "\n")
	for i, l := range lines {
		if i >= len(got) || got[i] != l.want {
			t.Errorf("%q: %q, want %q", l.typed, got[min(i, len(got)-1)], l.want)
		}
	}
}
