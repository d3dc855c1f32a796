package wire

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"indexd/internal/query"
)

// TestFindRequestJSON sets every field there is, one by one and all at once: what
// is written by hand reads back the same, and with nothing more in it than
// json.Marshal writes.
func TestFindRequestJSON(t *testing.T) {
	check := func(r *FindRequest) {
		t.Helper()
		var back, want any
		if err := json.Unmarshal(r.AppendJSON(nil), &back); err != nil {
			t.Fatalf("%s: %v", r.AppendJSON(nil), err)
		}
		std := findRequest{plainFindRequest: (*plainFindRequest)(r)}
		for to, list := range map[**ByteStrings]*[]string{&std.Terms: &r.Terms, &std.Filters: &r.Filters, &std.In: &r.In, &std.Exclude: &r.Exclude} {
			if len(*list) > 0 {
				*to = (*ByteStrings)(list)
			}
		}
		b, err := json.Marshal(&std)
		if err != nil {
			t.Fatal(err)
		}
		json.Unmarshal(b, &want)
		if !reflect.DeepEqual(back, want) {
			t.Errorf("got %s, want %s", r.AppendJSON(nil), b)
		}
		var whole FindRequest
		if err := json.Unmarshal(r.AppendJSON(nil), &whole); err != nil || !reflect.DeepEqual(&whole, r) {
			t.Errorf("%s: %+v, %v", b, whole, err)
		}
	}
	var all FindRequest
	check(&all)
	for i, field := range reflect.VisibleFields(reflect.TypeFor[FindRequest]()) {
		if field.Anonymous || field.Tag.Get("json") == "-" {
			continue
		}
		var one FindRequest
		for _, r := range []*FindRequest{&one, &all} {
			switch f := reflect.ValueOf(r).Elem().FieldByIndex(field.Index).Addr().Interface().(type) {
			case *[]string:
				*f = []string{"a\"\n\\é\u2028<", "\xff", ""}
			case *query.Mode:
				*f = "<x\ty>"
			case *query.Case:
				*f = "\ty>"
			case *query.Sort:
				*f = "<x"
			case *string:
				*f = "é-_<"
			case *int:
				*f = 7 - 20*i
			case *bool:
				*f = true
			case *Duration:
				*f = Duration(90*time.Second + 1)
			default:
				t.Fatalf("field %s is of a type that this test does not know", field.Name)
			}
		}
		check(&one)
	}
	check(&all)
}

func TestTrailerJSON(t *testing.T) {
	for _, want := range []Trailer{
		{},
		{Count: 1 << 40, FirstClock: "a\"é\n", LastClock: "b", Complete: true},
		{Count: 5, Complete: true, Next: "t-_0"},
		{Count: 5, Changed: 7},
		{Count: 3, Stale: []Stale{{Path: "/\xff", Reason: StaleOffline}}, StaleMore: 3},
		{SyncMissed: true, Plan: "scan\n", Error: ErrStopping},
	} {
		b, err := json.Marshal(map[string]Trailer{"end": want})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseTrailer(b)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", b, got, err)
		}
		whole := len(want.Stale) == 0 && want.Changed == 0 && !want.SyncMissed && want.Error == nil
		if err := parseWholeTrailer(b, &got); (err == nil) != whole {
			t.Errorf("%s by hand: %v", b, err)
		}
		for i := range b {
			if _, err := ParseTrailer(b[:i]); err == nil {
				t.Errorf("%s: no error", b[:i])
			}
		}
	}
}
