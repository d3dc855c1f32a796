package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

var shells = []string{"bash", "zsh", "fish"}

func (p *program) completionCommand() *command {
	return &command{
		usage: "print a script that completes indexctl's arguments",
		takes: "SHELL",
		about: "bash: source <(indexctl completion bash)\n" +
			"zsh:  indexctl completion zsh > \"${fpath[1]}/_indexctl\"\n" +
			"fish: indexctl completion fish | source",
		run: func(args []string) error {
			args, err := operands("completion", args, 1, 1, "one SHELL: bash, zsh or fish")
			if err != nil {
				return err
			}
			d := p.define()
			switch args[0] {
			case "bash":
				d.bash(p.out)
			case "zsh":
				d.zsh(p.out)
			case "fish":
				d.fish(p.out)
			default:
				return usagef("completion %s: must be one of %s", args[0], strings.Join(shells, ", "))
			}
			return nil
		},
	}
}

// definitions are what the scripts are made of: the commands and flags as they
// are defined for parsing.
type definitions struct {
	global   []*flag
	commands []commandDefinition
}

type commandDefinition struct {
	name, usage string
	flags       []*flag
	files       files    // what the arguments are
	choices     []string // or may be
}

func (p *program) define() definitions {
	d := definitions{global: p.flags()}
	for _, m := range commands() {
		c := m.command(p)
		def := commandDefinition{name: c.name, usage: c.usage, flags: withGlobal(shown(c.flags), d.global)}
		switch {
		case strings.Contains(c.takes, "PATH"):
			def.files = anyFile
		case c.takes == "SHELL":
			def.choices = shells
		case c.takes == "[COMMAND]":
			for _, other := range commands() {
				def.choices = append(def.choices, other.name)
			}
		}
		d.commands = append(d.commands, def)
	}
	return d
}

// shown are the flags that help shows.
func shown(flags []*flag) []*flag {
	return slices.DeleteFunc(slices.Clone(flags), func(f *flag) bool { return f.hidden })
}

// withGlobal appends those of no command to a command's own, by those of their
// names that are free.
func withGlobal(own, global []*flag) []*flag {
	own = slices.Clip(own)
	for _, g := range global {
		var free []string
		for _, n := range g.names() {
			if !slices.ContainsFunc(own, func(f *flag) bool { return slices.Contains(f.names(), n) }) {
				free = append(free, n)
			}
		}
		if len(free) > 0 {
			f := *g
			f.name, f.aliases = free[0], free[1:]
			own = append(own, &f)
		}
	}
	return own
}

func (d definitions) commandNames() string {
	var names []string
	for _, c := range d.commands {
		names = append(names, c.name)
	}
	return strings.Join(names, " ")
}

// bash writes a function that needs nothing but bash: it does what the package
// bash-completion would, as to words that bash has split at "=".
func (d definitions) bash(w io.Writer) {
	fmt.Fprint(w, `# bash completion for indexctl, made by "indexctl completion bash"
_indexctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} cmd= flag= ended= i word
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        [[ -z $ended ]] || continue
        case $cmd:$word in
        *:--)
            ended=1
            ;;
`)
	required, optional := d.bashValues(func(f *flag) bool { return !f.optional }), d.bashValues(func(f *flag) bool { return f.optional })
	fmt.Fprintf(w, `        %s)
            flag=$word
            [[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
            ((++i < COMP_CWORD)) && flag=
            ;;
        %s)
            if [[ ${COMP_WORDS[i + 1]} == = ]]; then
                flag=$word
                (((i += 2) < COMP_CWORD)) && flag=
            fi
            ;;
        *:-?*) ;;
        :*)
            cmd=$word
            ;;
        esac
    done
    [[ $cur == = ]] && cur=
    COMPREPLY=()
`, required, optional)

	fmt.Fprint(w, "    if [[ -n $flag ]]; then\n        case $cmd:$flag in\n")
	for _, f := range d.global {
		bashValue(w, "", f)
	}
	for _, c := range d.commands {
		for _, f := range c.flags {
			bashValue(w, c.name, f)
		}
	}
	fmt.Fprint(w, "        esac\n    elif [[ $cur == -* && -z $ended ]]; then\n        case $cmd in\n")
	fmt.Fprintf(w, "        '') _indexctl_words '%s' ;;\n", bashNames(d.global))
	for _, c := range d.commands {
		fmt.Fprintf(w, "        %s) _indexctl_words '%s' ;;\n", c.name, bashNames(c.flags))
	}
	fmt.Fprint(w, "        esac\n    else\n        case $cmd in\n")
	fmt.Fprintf(w, "        '') _indexctl_words '%s' ;;\n", d.commandNames())
	for _, c := range d.commands {
		switch {
		case c.files != noFiles:
			fmt.Fprintf(w, "        %s) _indexctl_files -f ;;\n", c.name)
		case len(c.choices) > 0:
			fmt.Fprintf(w, "        %s) _indexctl_words '%s' ;;\n", c.name, strings.Join(c.choices, " "))
		}
	}
	fmt.Fprint(w, `        esac
    fi
}

_indexctl_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_indexctl_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

complete -F _indexctl indexctl
`)
}

// bashValues is a pattern of the flags that take a value, as "command:flag".
func (d definitions) bashValues(which func(*flag) bool) string {
	var patterns []string
	add := func(cmd string, flags []*flag) {
		for _, f := range flags {
			if f.value == "" || !which(f) {
				continue
			}
			for _, n := range f.names() {
				patterns = append(patterns, cmd+":"+dashed(n))
			}
		}
	}
	add("", d.global)
	for _, c := range d.commands {
		add(c.name, c.flags)
	}
	return strings.Join(patterns, " | ")
}

func bashValue(w io.Writer, cmd string, f *flag) {
	var patterns []string
	for _, n := range f.names() {
		patterns = append(patterns, cmd+":"+dashed(n))
	}
	how := ""
	switch {
	case f.files == directories:
		how = "_indexctl_files -d"
	case f.files == anyFile:
		how = "_indexctl_files -f"
	case len(f.choices) > 0:
		how = "_indexctl_words '" + strings.Join(f.choices, " ") + "'"
	default:
		return
	}
	fmt.Fprintf(w, "        %s) %s ;;\n", strings.Join(patterns, " | "), how)
}

// bashNames are the flags as words, with "=" nowhere: bash would add a blank
// behind it.
func bashNames(flags []*flag) string {
	var words []string
	for _, f := range flags {
		for _, n := range f.names() {
			words = append(words, dashed(n))
		}
	}
	return strings.Join(words, " ")
}
