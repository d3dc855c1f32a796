package plan

import (
	"errors"
	"fmt"
	"indexd/internal/query"
	"strings"
	"testing"
	"time"
)

// testEnv is at noon on a Saturday in Berlin.
func testEnv(t testing.TB) *query.Env {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here: ", err)
	}
	lookup := func(names map[string]uint32) func(string) (uint32, error) {
		return func(name string) (uint32, error) {
			if id, ok := names[name]; ok {
				return id, nil
			}
			return 0, fmt.Errorf("no %q", name)
		}
	}
	return &query.Env{
		Now:         time.Date(2026, 11, 21, 12, 0, 0, 5, berlin),
		Loc:         berlin,
		Cwd:         "/home/u",
		LookupUser:  lookup(map[string]uint32{"root": 0, "ann": 1000, "77": 78}),
		LookupGroup: lookup(map[string]uint32{"root": 0, "wheel": 10}),
	}
}

// checkError checks that an error can be shown.
func checkError(t *testing.T, err error, text string) {
	t.Helper()
	var se *query.SyntaxError
	if !errors.As(err, &se) {
		t.Fatalf("%q: %T is no *SyntaxError: %v", text, err, err)
	}
	if se.Pos < 0 || se.Pos > len(se.Text) || se.Msg == "" || strings.ContainsAny(se.Msg, "\n\x1b") {
		t.Errorf("%q: %+v", text, se)
	}
	for _, line := range strings.SplitAfter(se.Detail(), "\n") {
		if strings.Trim(line, "\n") != query.Printable(strings.Trim(line, "\n")) {
			t.Errorf("%q: Detail has %q", text, line)
		}
	}
}
