package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"indexd/internal/rules"
)

// worst is a regular expression without any literal, which is expensive for every name.
const worst = `[a-z0-9]+[0-9][^.]*[0-9][a-z]+$`

// query makes the same requests to locate and plocate over one tree, whole processes in
// turn, and then queries a daemon over synthetic databases through an open connection.
func (b *bench) query() error {
	plocate, ok1 := installed("plocate")
	updatedb, ok2 := b.updatedb("query.plocate")
	if !ok1 || !ok2 {
		return b.openDaemons(0)
	}
	db := filepath.Join(b.dir, "query.plocate")
	if out, err := exec.CommandContext(b.ctx, updatedb[0], updatedb[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("updatedb: %w: %s", err, out)
	}
	d, err := b.start("query", b.tree)
	if err != nil {
		return err
	}
	defer d.stop()
	if err := d.merged(b.ctx); err != nil {
		return err
	}
	theirs := []string{plocate, "-d", db}
	word, err := b.rareWord(theirs)
	if err != nil {
		return err
	}
	locate := filepath.Join(b.dir, "locate")
	if err := os.Symlink(b.bin("indexctl"), locate); err != nil {
		return err
	}
	status, err := d.client.Status(b.ctx)
	if err != nil {
		return err
	}
	fmt.Printf("| over %d entries; to a pipe | indexctl locate | plocate | ours / it | at most |\n| --- | --- | --- | --- | --- |\n", status.Entries)
	ask := func(name string, most float64, args ...string) (time.Duration, error) {
		times, err := b.inTurn(10*b.pairs,
			b.command("indexctl", append([]string{b.bin("indexctl"), "--socket", d.socket, "locate"}, args...)...),
			b.command("locate", append([]string{locate, "--socket", d.socket}, args...)...),
			b.command("plocate", append(slices.Clip(theirs), args...)...))
		if err != nil {
			return 0, err
		}
		fmt.Printf("| %s | %s | %s | **%.3g** (as `locate` %.3g) | %g |\n", name, show(median(times[0])), show(median(times[2])),
			ratio(times[0], times[2]), ratio(times[1], times[2]), most)
		return median(times[2]), nil
	}
	for _, q := range []struct {
		name string
		most float64
		args []string
	}{
		{"`" + word + "`, rare", 1.25, []string{word}},
		{"`-b main.go`", 0.9, []string{"-b", "main.go"}},
		{"`-i readme`", 0.4, []string{"-i", "readme"}},
		{"`.go`", 0.25, []string{".go"}},
		{"`a`", 0.1, []string{"a"}},
		{"`-r '\\.go$'`", 0.05, []string{"-r", `\.go$`}},
	} {
		if _, err := ask("`-c` "+q.name, q.most, append([]string{"-c"}, q.args...)...); err != nil {
			return err
		}
		if _, err := ask(q.name, q.most, q.args...); err != nil {
			return err
		}
	}
	took, err := ask("`--regex -bc '"+strings.ReplaceAll(worst, "|", `\|`)+"'`", 0.1, "--regex", "-bc", worst)
	if err != nil {
		return err
	}
	return b.openDaemons(float64(took) / float64(status.Entries))
}

// rareWord returns a word of letters that plocate finds at most five times.
func (b *bench) rareWord(plocate []string) (string, error) {
	run := func(args ...string) (string, error) {
		out, err := exec.CommandContext(b.ctx, plocate[0], slices.Concat(plocate[1:], args)...).Output()
		return string(out), err
	}
	all, err := run("")
	if err != nil {
		return "", err
	}
	paths := strings.Split(all, "\n")
	for i := range 1000 {
		word := letters(filepath.Base(paths[i*(len(paths)/1000)]))
		if word == "" {
			continue
		}
		if n, err := run("-c", word); err == nil && len(strings.TrimSpace(n)) == 1 && n < "6" {
			return word, nil
		}
	}
	return "", fmt.Errorf("no rare word among a thousand of %s", b.tree)
}

// letters returns the first run of 8 to 16 lower-case letters in name, or "".
func letters(name string) string {
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return r < 'a' || r > 'z' }) {
		if len(word) >= 8 && len(word) <= 16 {
			return word
		}
	}
	return ""
}

// updatedb returns the command that creates a database of the tree in dir, with the file
// systems that indexd would enter.
func (b *bench) updatedb(name string) (args []string, ok bool) {
	path, ok := installed("updatedb.plocate", "/usr/sbin/updatedb.plocate")
	return []string{path, "--database-root", b.tree, "--output", filepath.Join(b.dir, name),
		"--prunepaths", "", "--prunenames", "", "--prunefs", strings.Join(rules.DefaultPruneFS(), " ")}, ok
}
