package main

import (
	"fmt"
	"io"
	"strings"
)

// zsh writes a function for zsh's own completion system.
func (d definitions) zsh(w io.Writer) {
	fmt.Fprint(w, `#compdef indexctl
# zsh completion for indexctl, made by "indexctl completion zsh"
_indexctl() {
    local curcontext=$curcontext state line ret=1
    local -a commands
    commands=(
`)
	for _, c := range d.commands {
		fmt.Fprintf(w, "        %s\n", quote(c.name+":"+c.usage))
	}
	fmt.Fprint(w, "    )\n    _arguments -C -s -S")
	for _, f := range d.global {
		zshFlag(w, f, "        ")
	}
	fmt.Fprint(w, ` \
        '1:command:->command' \
        '*::argument:->argument' && ret=0
    case $state in
    command)
        _describe -t commands command commands && ret=0
        ;;
    argument)
        curcontext=${curcontext%:*}-$line[1]:
        case $line[1] in
`)
	for _, c := range d.commands {
		fmt.Fprintf(w, "        %s)\n            _arguments -s -S", c.name)
		for _, f := range c.flags {
			zshFlag(w, f, "                ")
		}
		switch {
		case c.files != noFiles:
			fmt.Fprint(w, " \\\n                '*:path:_files'")
		case len(c.choices) > 0:
			fmt.Fprintf(w, " \\\n                '1:choice:(%s)'", strings.Join(c.choices, " "))
		default:
			fmt.Fprint(w, " \\\n                '*:term:()'") // a blank for "()" would keep flags from being inserted
		}
		fmt.Fprint(w, " && ret=0\n            ;;\n")
	}
	fmt.Fprint(w, `        esac
        ;;
    esac
    return ret
}

if [ "$funcstack[1]" = _indexctl ]; then
    _indexctl "$@"
else
    compdef _indexctl indexctl
fi
`)
}

// zshFlag writes a specification for each name of a flag.
func zshFlag(w io.Writer, f *flag, indent string) {
	usage := strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(f.usage)
	for _, n := range f.names() {
		spec := "*" + dashed(n)
		if f.value != "" {
			switch {
			case len(n) == 1:
				spec += "+"
			case f.optional:
				spec += "=-"
			default:
				spec += "="
			}
		}
		spec += "[" + usage + "]"
		if f.value != "" {
			colon := ":"
			if f.optional {
				colon = "::"
			}
			spec += colon + strings.ReplaceAll(f.value, ":", `\:`) + ":" + zshValue(f)
		}
		fmt.Fprintf(w, " \\\n%s%s", indent, quote(spec))
	}
}

func zshValue(f *flag) string {
	switch {
	case f.files == directories:
		return "_files -/"
	case f.files == anyFile:
		return "_files"
	case len(f.choices) > 0:
		return "(" + strings.Join(f.choices, " ") + ")"
	}
	return " "
}

// fish writes a line for each flag and command.
func (d definitions) fish(w io.Writer) {
	fmt.Fprint(w, `# fish completion for indexctl, made by "indexctl completion fish"
complete -c indexctl -f
`)
	none := "not __fish_seen_subcommand_from " + d.commandNames()
	for _, c := range d.commands {
		fmt.Fprintf(w, "complete -c indexctl -n %s -a %s -d %s\n", quote(none), c.name, quote(c.usage))
	}
	for _, f := range d.global {
		fishFlag(w, none, f)
	}
	for _, c := range d.commands {
		seen := "__fish_seen_subcommand_from " + c.name
		for _, f := range c.flags {
			fishFlag(w, seen, f)
		}
		switch {
		case c.files != noFiles:
			fmt.Fprintf(w, "complete -c indexctl -n %s -F\n", quote(seen))
		case len(c.choices) > 0:
			fmt.Fprintf(w, "complete -c indexctl -n %s -a %s\n", quote(seen), quote(strings.Join(c.choices, " ")))
		}
	}
}

func fishFlag(w io.Writer, condition string, f *flag) {
	fmt.Fprintf(w, "complete -c indexctl -n %s", quote(condition))
	for _, n := range f.names() {
		if len(n) == 1 {
			fmt.Fprintf(w, " -s %s", n)
		} else {
			fmt.Fprintf(w, " -l %s", n)
		}
	}
	switch {
	case f.value == "" || f.optional:
	case f.files == directories:
		fmt.Fprint(w, " -x -a '(__fish_complete_directories)'")
	case f.files == anyFile:
		fmt.Fprint(w, " -r -F")
	case len(f.choices) > 0:
		fmt.Fprintf(w, " -x -a %s", quote(strings.Join(f.choices, " ")))
	default:
		fmt.Fprint(w, " -x")
	}
	fmt.Fprintf(w, " -d %s\n", quote(f.usage))
}

// quote makes one word of text for any of the shells, as long as it has no
// backslash, which fish would read.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
