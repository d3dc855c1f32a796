package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// rootsSetting is ROOT in the environment and the file.
func rootsSetting() Setting {
	return Setting{Name: "roots", List: true, path: true, set: func(b *builder, v string) error {
		if v != "" {
			b.roots = append(b.roots, v)
		}
		return nil
	}}
}

// usageError is an error about a flag.
type usageError struct{ text string }

func (e *usageError) Error() string        { return e.text }
func (e *usageError) Is(target error) bool { return target == ErrUsage }

func readFlags(b *builder, a Args) error {
	for _, s := range Settings() {
		for _, v := range a.Flags[s.Name] {
			if err := s.apply(b, v); err != nil {
				return &usageError{fmt.Sprintf("--%s: %v", s.Name, err)}
			}
		}
	}
	if len(a.Roots) > 0 {
		b.roots = a.Roots
	}
	return nil
}

// readEnvironment ignores variables that are empty, except for lists, which they clear.
func readEnvironment(b *builder, _ Args) error {
	above := b.roots
	b.roots = nil
	for _, s := range append(Settings(), rootsSetting()) {
		text, ok := os.LookupEnv(s.Variable())
		if !ok || text == "" && !s.List {
			continue
		}
		values := []string{text}
		if s.List {
			values = strings.Split(text, ":")
		}
		for _, v := range values {
			if err := s.apply(b, v); err != nil {
				return fmt.Errorf("%s: %w", s.Variable(), err)
			}
		}
	}
	if b.roots == nil {
		b.roots = above
	}
	return nil
}

// configFile returns the file to read, or "", and whether it must exist.
func configFile(a Args) (file string, must bool, err error) {
	if given := a.Flags["config"]; len(given) > 0 {
		file, must = given[len(given)-1], true
	} else if v := os.Getenv("INDEXD_CONFIG"); v != "" {
		file, must = v, true
	} else if a.UID == 0 {
		file = "/etc/indexd/indexd.toml"
	} else if dir := standardDir("", "", "XDG_CONFIG_HOME", ".config", a.UID); dir != "" {
		file = filepath.Join(dir, "indexd.toml")
	}
	if file == "" {
		return "", false, nil
	}
	file, err = filepath.Abs(file)
	return file, must, err
}

func readFile(b *builder, a Args) error {
	file, must, err := configFile(a)
	if err != nil || file == "" {
		return err
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return nil
	}
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	b.File = file
	if err := b.readTOML(string(text)); err != nil {
		var parse toml.ParseError
		if errors.As(err, &parse) && parse.Position.Line > 0 {
			return fmt.Errorf("%s:%d: %s", file, parse.Position.Line, parse.Message)
		}
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (b *builder) readTOML(text string) error {
	var values map[string]toml.Primitive
	md, err := toml.Decode(text, &values)
	if err != nil {
		return err
	}
	known := make(map[string]*Setting)
	for _, s := range append(Settings(), rootsSetting()) {
		known[s.Name] = &s
	}
	for _, key := range md.Keys() { // in the order of the file
		v, data := &tomlValue{b: b, key: key.String()}, values[key[0]]
		if len(key) == 1 {
			v.setting = known[v.key]
		}
		for _, k := range key[1:] { // a.b = 1
			var table map[string]toml.Primitive
			if err := md.PrimitiveDecode(data, &table); err != nil {
				return err
			}
			data = table[k]
		}
		if err := md.PrimitiveDecode(data, v); err != nil {
			return err
		}
	}
	return nil
}

// tomlValue is one value of the file. Package toml adds its position to errors.
type tomlValue struct {
	b       *builder
	key     string
	setting *Setting
}

// UnmarshalTOML implements toml.Unmarshaler.
func (v *tomlValue) UnmarshalTOML(data any) error {
	s := v.setting
	if s == nil {
		return fmt.Errorf("unknown key %q", v.key)
	}
	var texts []string
	switch data := data.(type) {
	case int64:
		if !s.number {
			return v.mistyped()
		}
		texts = []string{fmt.Sprint(data)}
	case string:
		if s.number || s.List {
			return v.mistyped()
		}
		texts = []string{data}
	case []any:
		if !s.List {
			return v.mistyped()
		}
		for _, e := range data {
			text, ok := e.(string)
			if !ok {
				return v.mistyped()
			}
			texts = append(texts, text)
		}
	default:
		return v.mistyped()
	}
	for _, text := range texts {
		err := error(nil)
		if s.path && text != "" && !filepath.IsAbs(text) {
			err = fmt.Errorf("%q is not an absolute path", text)
		} else {
			err = s.apply(v.b, text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", v.key, err)
		}
	}
	return nil
}

func (v *tomlValue) mistyped() error {
	switch s := v.setting; {
	case s.List:
		return fmt.Errorf(`%s must be a list of texts, such as ["a", "b"]`, v.key)
	case s.number:
		return fmt.Errorf("%s must be a whole number", v.key)
	}
	return fmt.Errorf(`%s must be a text, such as "a"`, v.key)
}
