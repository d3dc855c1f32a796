package query

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	r := &Request{
		Terms:   []string{"foo", "mtime:2026-11-20", "in:src", "a b"},
		Filters: []string{SizeFilter("+1M"), ChangedWithin("2d"), ChangedBefore("2026-11-20"), OwnerFilter("ann:wheel"), TypeFilter([]string{"d", "f,l"}), ExtFilter([]string{"Go", "tar.gz"})},
		In:      []string{"src", "/v/../w"},
		Exclude: []string{"*.o"},
		Sort:    SortSize,
	}
	if err := r.Resolve(testEnv(t)); err != nil {
		t.Fatal(err)
	}
	want := &Request{
		Terms:   []string{"foo mtime:2026-11-19T23:00:00Z..2026-11-20T22:59:59Z in:/home/u/src a b"},
		Filters: []string{"size:>=1048577", "mtime:>=2026-11-19T11:00:00.000000005Z", "mtime:<=2026-11-19T22:59:59Z", "owner:1000:10", "type:f,d,l", "ext:go,tar.gz"},
		In:      []string{"/home/u/src", "/w"},
		Exclude: []string{"*.o"},
		Sort:    SortSize,
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
	again := *r
	if err := again.Resolve(nil); err != nil || !reflect.DeepEqual(&again, r) {
		t.Errorf("resolved again: %+v (%v)", again, err)
	}
}

func TestResolveFollowsLinks(t *testing.T) {
	env := testEnv(t)
	env.Real = func(p string) string { return strings.Replace(p, "/home/u", "/data/u", 1) }
	r := &Request{Terms: []string{"in:a"}, In: []string{"."}}
	if err := r.Resolve(env); err != nil || r.Terms[0] != "in:/data/u/a" || r.In[0] != "/data/u" {
		t.Errorf("%+v (%v)", r, err)
	}
}

func TestResolveErrors(t *testing.T) {
	for _, c := range []struct {
		r    Request
		text string
		pos  int
		msg  string
	}{
		{Request{Terms: []string{"a", ""}}, "a ", 2, "an empty argument is not a term"},
		{Request{Terms: []string{""}}, "", 0, "an empty argument is not a term"},
		{Request{Terms: []string{"a", " ", "b"}}, "a   b", 2, "an empty argument is not a term"},
		{Request{Terms: []string{""}, Mode: ModeFixed}, "", 0, "an empty argument is not a term"},
		{Request{Terms: []string{"a", "["}, Mode: ModeGlob}, "[", 0, "'[' is not closed"},
		{Request{Terms: []string{"a("}, Mode: ModeRegex}, "a(", 1, "'(' is not closed"},
		{Request{Terms: []string{"a\x00"}, Mode: ModeFixed}, "a\x00", 1, "no name has a NUL byte"},
		{Request{Filters: []string{"size:10Q"}}, "size:10Q", 7, `there is no unit "Q"`},
		{Request{Filters: []string{"type:"}}, "type:", 5, "type: has no value"},
		{Request{Filters: []string{"foo"}}, "foo", 0, "a filter is a field and its value"},
		{Request{Filters: []string{"foo:1"}}, "foo:1", 0, `there is no field "foo"`},
		{Request{Filters: []string{"name:x"}}, "name:x", 0, "name: cannot be a filter"},
		{Request{Filters: []string{ChangedWithin("+2d")}}, "mtime:>=+2d", 8, `"+2d" is neither a date nor a duration`},
		{Request{In: []string{""}}, "", 0, "the directory is missing"},
		{Request{In: []string{"a\x00"}}, "a\x00", 1, "no path has a NUL byte"},
		{Request{Exclude: []string{""}}, "", 0, "an empty glob excludes nothing"},
		{Request{Exclude: []string{"a["}}, "a[", 1, "'[' is not closed"},
		{Request{Mode: "x"}, "x", 0, `there is no mode "x"`},
		{Request{Case: "x"}, "x", 0, `there is no case "x"`},
		{Request{Sort: "x"}, "x", 0, `there is no order "x"`},
		{Request{MinDepth: -1}, "-1", 0, `there is no depth or limit "-1"`},
		{Request{Terms: []string{strings.Repeat("a ", MaxText)}}, strings.Repeat("a ", MaxText), 2 * MaxText, "the query is too long"},
	} {
		before := c.r
		err := c.r.Resolve(testEnv(t))
		var se *SyntaxError
		if !errors.As(err, &se) || se.Text != c.text || se.Pos != c.pos || se.Msg != c.msg {
			t.Errorf("%.100q: %+.200v, want %q at %d", c.r.Terms, err, c.msg, c.pos)
		}
		if !reflect.DeepEqual(c.r, before) {
			t.Errorf("%.100v: changed in spite of an error", before)
		}
	}
	// Relative paths need a working directory.
	r := &Request{In: []string{"a"}}
	if err := r.Resolve(nil); err == nil {
		t.Error("a relative path without an Env")
	}
}

// Dates become longer when they are resolved.
func TestResolveTooLong(t *testing.T) {
	r := &Request{Terms: []string{strings.Repeat("mtime:2d ", 6000)}}
	if err := r.Resolve(testEnv(t)); err == nil {
		t.Error("the daemon would refuse what Resolve made of it")
	}
}
