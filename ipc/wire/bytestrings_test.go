package wire

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"indexd/internal/query"
)

// TestBytesOnTheWire: strings of any bytes survive encoding and decoding, and what JSON
// cannot hold is in a second field.
func TestBytesOnTheWire(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, s := range []string{"/plain", "/é\n\"<&>", "/\xff\xfe", "/a\xc3"} {
		for _, v := range []any{
			&FindRequest{Request: query.Request{Terms: []string{s, "x"}, In: []string{s}, Limit: 3}, Sync: Duration(90 * time.Second)},
			&RescanRequest{Paths: ByteStrings{"/", s}, Wait: true},
			&CheckRequest{Path: s, Repair: true},
			&Trailer{Count: 3, FirstClock: "a", LastClock: "b", Stale: []Stale{{s, StaleOffline}, {"/x", "EIO"}}, Error: ErrBadQuery.With("bad")},
			&Job{ID: 7, State: JobFailed, Paths: ByteStrings{s}, Created: at, Ended: &at, Results: []PathResult{{Path: s, State: JobFailed, Error: "gone"}}},
			&JobEvent{Dir: &JobDir{Worker: 3, Dir: s, Files: 1204}},
			&JobEvent{End: &JobEnd{Job: Job{ID: 1, Paths: ByteStrings{}}, Error: ErrStopping}},
			&Status{Version: "1", DB: StatusDB{Path: s, Size: 1}, Roots: []Root{{Path: s, State: RootLive, NamesVerified: &at}}, Jobs: []Job{}},
			&Explanation{Path: s, Reason: "excluded", Notes: []string{"x"}},
			&Difference{Path: s, Change: DiffModified, Fields: []string{"size"}},
			&Problem{Type: ErrBadQuery.Type, Text: s, Pos: 2, Hint: "quote it"},
		} {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			back := reflect.New(reflect.TypeOf(v).Elem()).Interface()
			if err := json.Unmarshal(b, back); err != nil {
				t.Fatalf("%s: %v", b, err)
			}
			if !reflect.DeepEqual(v, back) {
				t.Errorf("%s\ngot  %+v\nwant %+v", b, back, v)
			}
			if !utf8.Valid(b) {
				t.Errorf("%q is no JSON", b)
			}
		}
	}
	b, _ := json.Marshal(Stale{Path: "/\xff", Reason: "r"})
	if want := `{"path":"/\ufffd","reason":"r","path_b64":"L/8="}`; string(b) != want {
		t.Errorf("got %s, want %s", b, want)
	}
	b, _ = json.Marshal(ByteStrings{"a", "\xff"})
	if want := `["a",{"b64":"/w=="}]`; string(b) != want {
		t.Errorf("got %s, want %s", b, want)
	}
}

func TestByteStringsAsWritten(t *testing.T) {
	for in, want := range map[string]ByteStrings{
		`"one"`: {"one"}, `["a","b"]`: {"a", "b"}, `[]`: {}, `null`: nil, `[{"b64":"/w=="}]`: {"\xff"},
	} {
		var got ByteStrings
		if err := json.Unmarshal([]byte(in), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{`[1]`, `[null]`, `{}`, `[{"b64":5}]`, `[{}]`, `7`} {
		var got ByteStrings
		if err := json.Unmarshal([]byte(in), &got); err == nil {
			t.Errorf("%s: no error", in)
		}
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{`"1m30s"`: 90 * time.Second, `2.5`: 2500 * time.Millisecond, `0`: 0} {
		var d Duration
		if err := json.Unmarshal([]byte(in), &d); err != nil || time.Duration(d) != want {
			t.Errorf("%s: %v, %v", in, time.Duration(d), err)
		}
	}
	var d Duration
	for _, in := range []string{`"soon"`, `{}`, `1e300`} {
		if err := json.Unmarshal([]byte(in), &d); err == nil {
			t.Errorf("%s: no error", in)
		}
	}
}

// TestCheckRequestIsStrict: its own decoding must not let through what the
// server refuses in other requests.
func TestCheckRequestIsStrict(t *testing.T) {
	var r CheckRequest
	if err := json.Unmarshal([]byte(`{"path":"/","repiar":true}`), &r); err == nil {
		t.Error("a field that is not known was let through")
	}
}

func TestProblemKinds(t *testing.T) {
	p := ErrNotFound.With("no job %d", 7)
	if !errors.Is(p, ErrNotFound) || errors.Is(p, ErrOutside) || p.Error() != "no job 7" || ErrNotFound.Detail != "" {
		t.Errorf("%+v", p)
	}
	if ErrStopping.Error() != "indexd is stopping" {
		t.Error(ErrStopping)
	}
}
