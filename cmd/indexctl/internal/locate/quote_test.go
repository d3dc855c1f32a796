package locate

import "testing"

// The expected texts are what plocate 1.1.18 prints on a terminal.
func TestAppendQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"/a b/*?[c]{d}$HOME~|&;": "/a b/*?[c]{d}$HOME~|&;",
		"/été/日本/\u202e\u0085":   "/été/日本/\u202e\u0085",
		"/\x7f":                  "/\x7f",
		`/"q"`:                   `'/'$'\"''q'$'\"'`,
		"/'":                     `'/'$'\''`,
		`/foo\`:                  `'/foo'$'\\'`,
		"/a\tb\x01c":             `'/a'$'\t''b'$'\001''c'`,
		"/\a\b\f\v\n\r\x1b":      `'/'$'\a\b\f\v\n\r\033'`,
		"/inv\xffé":              `'/inv?é'`,
		"/\xff\n\xc3":            `'/?'$'\n?'`,
		"\n":                     `''$'\n'`,
	} {
		if got := string(appendQuoted(nil, []byte(text))); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
