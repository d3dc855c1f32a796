package getopt

import (
	"flag"
	"strconv"
	"strings"
)

// Flag defines a flag. It implements the interfaces cli.Flag, cli.DocGenerationFlag and
// cli.VisibleFlag of urfave/cli. The library's own flag types do not fit: with them, two
// flags that contradict each other cannot be resolved in favour of the last one, and a value
// that can be left out is not shown as such. The package does not import the library, so
// that locate can define its flags without linking it.
type Flag struct {
	Name     string   // long name without dashes, or a single letter if there is no long name
	Aliases  []string // in the order of help
	Usage    string
	Value    string   // what help calls the value, or "" if the flag takes none
	Optional bool     // the value can be left out; Set then gets ""
	Choices  []string // possible values, for completion
	Files    Files    // completion of the value
	Hidden   bool     // accepted, but not shown in help
	EnvVar   string   // environment variable of the same meaning, for the manual page

	// Set is called for each time the flag is given, in the order of the arguments. Its
	// error becomes an *Error, which is also kept in Err because package flag turns errors
	// into text.
	Set func(value string) error
	Err error

	given bool
	names []string
}

// Files says which file names complete a value.
type Files int

// The kinds of files.
const (
	NoFiles Files = iota
	AnyFile
	Directories
)

// Names returns all names of the flag.
func (f *Flag) Names() []string {
	if f.names == nil {
		f.names = append([]string{f.Name}, f.Aliases...)
	}
	return f.names
}

// These methods implement the interfaces of urfave/cli and of this package.

func (f *Flag) TakesValue() bool       { return f.Value != "" }
func (f *Flag) ValueOptional() bool    { return f.Optional }
func (f *Flag) IsSet() bool            { return f.given }
func (f *Flag) IsVisible() bool        { return !f.Hidden }
func (f *Flag) GetUsage() string       { return f.Usage }
func (f *Flag) GetValue() string       { return "" }
func (f *Flag) GetDefaultText() string { return "" }

// GetEnvVars returns EnvVar, if set.
func (f *Flag) GetEnvVars() []string {
	if f.EnvVar == "" {
		return nil
	}
	return []string{f.EnvVar}
}

// Apply registers the flag by its first name, the only one that Canonical uses.
func (f *Flag) Apply(set *flag.FlagSet) error {
	set.Var(value{f}, f.Name, f.Usage)
	return nil
}

// String returns the flag's line of help, in two columns separated by a tab.
func (f *Flag) String() string { return f.Form() + "\t" + f.Usage }

// Form returns the flag's names and value as help shows them.
func (f *Flag) Form() string {
	forms := make([]string, 0, 4)
	for _, n := range f.Names() {
		switch form := Dashed(n); {
		case f.Value == "" || len(n) == 1 && f.Optional:
			forms = append(forms, form)
		case f.Optional:
			forms = append(forms, form+"[="+f.Value+"]")
		default:
			forms = append(forms, form+" "+f.Value)
		}
	}
	return strings.Join(forms, ", ")
}

// Dashed returns the name of a flag with its dashes.
func Dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// Give sets the flag to a value, which is ignored if the flag takes none.
func (f *Flag) Give(v string) error {
	f.given = true
	if !f.TakesValue() {
		v = ""
	}
	if err := f.Set(v); err != nil && f.Err == nil {
		f.Err = &Error{Flag: strings.TrimSpace(Dashed(f.Name) + " " + v), Err: err}
	}
	return f.Err
}

// value is a Flag as package flag sees it.
type value struct{ f *Flag }

// Set implements flag.Value.
func (v value) Set(s string) error { return v.f.Give(s) }

// String implements flag.Value. The library reads the value of --help.
func (v value) String() string { return strconv.FormatBool(v.f != nil && v.f.given) }

// IsBoolFlag tells package flag that the flag takes no value.
func (v value) IsBoolFlag() bool { return v.f.Value == "" }
