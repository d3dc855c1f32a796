package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"indexd/cmd/indexctl/internal/console"
	"indexd/internal/cmdline"
	"indexd/internal/getopt"
)

var shells = []string{"bash", "zsh", "fish"}

// completionCommand prints a script for a shell, which calls the same command with
// --complete for each completion: "indexctl completion --complete -- WORD...", where the
// words are those after "indexctl" and the last is the one to complete.
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
			script, ok := completionScripts[args[0]]
			if !ok {
				return console.Usagef("completion %s: must be one of %s", args[0], strings.Join(shells, ", "))
			}
			fmt.Fprint(p.Out, script)
			return nil
		},
	}
}

// complete prints what the last of words may become, one candidate per line, each followed
// by a tab and a description if there is one. If file names complete it, it prints instead
// one line that begins with a tab: "files" or "directories".
func (p *program) complete(words []string) error {
	app := p.app()
	all, err := p.commands("")
	if err != nil || len(words) == 0 {
		return err
	}
	l := completionLine{flags: app.Flags}
	words = joinValues(words)
	last := words[len(words)-1]
	for _, w := range words[:len(words)-1] {
		if name, ok := l.read(w); ok && l.command == nil {
			i := slices.IndexFunc(all, func(c *cli.Command) bool { return c.Name == name })
			if i < 0 {
				return nil
			}
			l.command, l.flags = all[i], all[i].Flags
		}
	}
	name, value, attached := strings.Cut(last, "=")
	switch {
	case l.pending != nil:
		p.candidates("", last, l.pending.Choices, l.pending.Files)
	case attached && l.lookup(name) != nil && !l.ended:
		f := l.lookup(name)
		p.candidates(name+"=", value, f.Choices, f.Files)
	case strings.HasPrefix(last, "-") && !l.ended:
		for _, f := range l.flags {
			f := f.(*getopt.Flag)
			for _, n := range f.Names() {
				if n = getopt.Dashed(n); !f.Hidden && strings.HasPrefix(n, last) {
					fmt.Fprintf(p.Out, "%s\t%s\n", n, f.Usage)
				}
			}
		}
	case l.command == nil, l.command.ArgsUsage == "[COMMAND]":
		for _, c := range all {
			if strings.HasPrefix(c.Name, last) {
				fmt.Fprintf(p.Out, "%s\t%s\n", c.Name, c.Usage)
			}
		}
	case strings.Contains(l.command.ArgsUsage, "PATH"):
		p.candidates("", last, nil, getopt.AnyFile)
	case l.command.ArgsUsage == "SHELL":
		p.candidates("", last, shells, getopt.NoFiles)
	}
	return nil
}

// candidates prints those choices that begin with prefix, or the kind of files.
func (p *program) candidates(before, prefix string, choices []string, files getopt.Files) {
	switch files {
	case getopt.AnyFile:
		fmt.Fprintln(p.Out, "\tfiles")
	case getopt.Directories:
		fmt.Fprintln(p.Out, "\tdirectories")
	}
	for _, c := range choices {
		if strings.HasPrefix(c, prefix) {
			fmt.Fprintln(p.Out, before+c)
		}
	}
}

// joinValues joins what bash splits at "=": a flag, "=" and its value.
func joinValues(words []string) (joined []string) {
	for i, w := range words {
		last := len(joined) - 1
		switch {
		case w == "=" && last >= 0 && strings.HasPrefix(joined[last], "--"):
			joined[last] += "="
		case i > 0 && words[i-1] == "=" && last >= 0 && strings.HasSuffix(joined[last], "="):
			joined[last] += w
		default:
			joined = append(joined, w)
		}
	}
	return joined
}

// completionLine is the state after the words before the one to complete.
type completionLine struct {
	flags   []cli.Flag
	command *cli.Command // nil: not yet given
	pending *getopt.Flag // needs the next word as its value
	ended   bool         // "--" was given
}

// read reads one word and reports whether it is an operand.
func (l *completionLine) read(word string) (operand string, ok bool) {
	switch {
	case l.pending != nil:
		l.pending = nil
		return "", false
	case l.ended || !strings.HasPrefix(word, "-") || word == "-":
		return word, true
	case word == "--":
		l.ended = true
	default:
		if f := l.lookup(word); f != nil && f.TakesValue() && !f.Optional {
			l.pending = f
		}
	}
	return "", false
}

// lookup returns the flag that word is, without a value.
func (l *completionLine) lookup(word string) *getopt.Flag {
	for _, f := range l.flags {
		for _, n := range f.Names() {
			if getopt.Dashed(n) == word {
				return f.(*getopt.Flag)
			}
		}
	}
	return nil
}

// completionScripts are the scripts by shell. bash gets only the part after "=" of a
// candidate, because it completes only that.
var completionScripts = map[string]string{
	"bash": `# bash completion for indexctl
_indexctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} out
    mapfile -t out < <(indexctl completion --complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    [[ $cur == = ]] && cur=
    case ${out[0]} in
    $'\tfiles')
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    $'\tdirectories')
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        ;;
    *)
        COMPREPLY=("${out[@]%%$'\t'*}")
        COMPREPLY=("${COMPREPLY[@]#*=}")
        ;;
    esac
}
complete -F _indexctl indexctl
`,
	"zsh": `#compdef indexctl
# zsh completion for indexctl
_indexctl() {
    local -a out
    out=("${(@f)$(indexctl completion --complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    case $out[1] in
    $'\tfiles')
        compset -P '--*='
        _files
        ;;
    $'\tdirectories')
        compset -P '--*='
        _files -/
        ;;
    ?*)
        out=("${(@)out//:/\\:}")
        out=("${(@)out/$'\t'/:}")
        _describe indexctl out
        ;;
    *) return 1 ;;
    esac
}
if [ "$funcstack[1]" = _indexctl ]; then
    _indexctl "$@"
else
    compdef _indexctl indexctl
fi
`,
	"fish": `# fish completion for indexctl
function __indexctl_complete
    set -l cur (commandline -ct)
    set -l out (indexctl completion --complete -- (commandline -opc)[2..] "$cur" 2>/dev/null)
    set -l flag (string match -r -- '^--[^=]*=' "$cur")
    set -l value (string sub -s (math 1 + (string length -- "$flag")) -- "$cur")
    switch "$out[1]"
        case \tfiles
            __fish_complete_path $value | string replace -r '^' -- "$flag"
        case \tdirectories
            __fish_complete_directories $value | string replace -r '^' -- "$flag"
        case '*'
            string join \n -- $out
    end
end
complete -c indexctl -f -a '(__indexctl_complete)'
`,
}
