package main

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"indexd/cmd/indexctl/internal/console"
	"indexd/internal/cmdline"
	"indexd/internal/getopt"
)

var shells = []string{"bash", "zsh", "fish"}

// completionScripts run "indexctl completion --complete -- WORD...", where the words are those
// after "indexctl" and the last is the one to complete.
//
//go:embed completion
var completionScripts embed.FS

func (p *program) completionCommand() *cli.Command {
	complete := false
	return &cli.Command{
		Usage:     "print a script that completes indexctl's arguments in a shell",
		ArgsUsage: "SHELL",
		Description: "bash: source <(indexctl completion bash)\n" +
			"zsh:  indexctl completion zsh > \"${fpath[1]}/_indexctl\"\n" +
			"fish: indexctl completion fish | source",
		Flags: cmdline.Flags([]*getopt.Flag{{Name: "complete", Hidden: true, Set: getopt.On(&complete)}}),
		Action: func(c *cli.Context) error {
			if complete {
				return p.complete(c.Args().Slice())
			}
			args, err := operands(c, 1, 1, "one SHELL: bash, zsh or fish")
			if err != nil {
				return err
			}
			if !slices.Contains(shells, args[0]) {
				return console.Usagef("completion %s: must be one of %s", args[0], strings.Join(shells, ", "))
			}
			script, err := completionScripts.ReadFile("completion/indexctl." + args[0])
			_, _ = p.Out.Write(script)
			return err
		},
	}
}

// complete prints what the last of words may become, one candidate per line, each followed
// by a tab and a description if there is one. If it may become a file name, complete prints
// instead one line that begins with a tab: "files" or "directories".
func (p *program) complete(words []string) error {
	words = joinValues(words)
	if len(words) == 0 {
		return nil
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	options, takes := cmdline.Options(p.app().Flags), ""
	_, name, rest, err := getopt.Command(options, before)
	if name != "" {
		commands, cerr := p.commands(name)
		if cerr != nil {
			return cerr
		}
		options, takes = cmdline.Options(commands[0].Flags), commands[0].ArgsUsage
		_, _, err = getopt.Parse(options, rest)
	}
	var wrong *getopt.Error
	switch {
	case errors.As(err, &wrong) && wrong.Missing != nil:
		p.candidates("", last, wrong.Missing.(*getopt.Flag))
	case !strings.HasPrefix(last, "-") || slices.Contains(before, "--"):
		return p.completeOperand(last, name, takes)
	case strings.Contains(last, "="):
		flag, value, _ := strings.Cut(last, "=")
		if given, _, err := getopt.Parse(options, []string{last}); err == nil && len(given) == 1 {
			p.candidates(flag+"=", value, given[0].Option.(*getopt.Flag))
		}
	default:
		for _, o := range options {
			f := o.(*getopt.Flag)
			for _, n := range f.Names() {
				if n = getopt.Dashed(n); !f.Hidden && strings.HasPrefix(n, last) {
					fmt.Fprintf(p.Out, "%s\t%s\n", n, f.Usage)
				}
			}
		}
	}
	return nil
}

// completeOperand completes an operand of a command, or the command itself if that is empty.
func (p *program) completeOperand(prefix, command, takes string) error {
	switch {
	case command == "", takes == "[COMMAND]":
		commands, err := p.commands("")
		for _, c := range commands {
			if strings.HasPrefix(c.Name, prefix) {
				fmt.Fprintf(p.Out, "%s\t%s\n", c.Name, c.Usage)
			}
		}
		return err
	case takes == "SHELL":
		p.candidates("", prefix, &getopt.Flag{Choices: shells})
	case strings.Contains(takes, "PATH"):
		p.candidates("", prefix, &getopt.Flag{Files: getopt.AnyFile})
	}
	return nil
}

// candidates prints those values of a flag that begin with prefix, with before in front.
func (p *program) candidates(before, prefix string, f *getopt.Flag) {
	switch f.Files {
	case getopt.AnyFile:
		fmt.Fprintln(p.Out, "\tfiles")
	case getopt.Directories:
		fmt.Fprintln(p.Out, "\tdirectories")
	}
	for _, c := range f.Choices {
		if strings.HasPrefix(c, prefix) {
			fmt.Fprintln(p.Out, before+c)
		}
	}
}

// joinValues joins a flag, "=" and its value, which bash separates.
func joinValues(words []string) (joined []string) {
	for i, w := range words {
		last := len(joined) - 1
		afterFlag := last >= 0 && strings.HasPrefix(joined[last], "--")
		if afterFlag && (w == "=" || words[i-1] == "=") {
			joined[last] += w
		} else {
			joined = append(joined, w)
		}
	}
	return joined
}
