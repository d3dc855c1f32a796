package wire

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"
)

// The first use of encoding/json for a type takes a process longer than a query and its
// answer. So what every find needs is encoded and decoded here by hand, and tests compare
// the result with that of encoding/json.

// AppendJSON appends r as one JSON object. It leaves out fields with zero values.
func (r *FindRequest) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	start := len(b)
	key := func(name string) {
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, name...)
		b = append(b, '"', ':')
	}
	texts := func(name string, list []string) {
		if len(list) == 0 {
			return
		}
		key(name)
		b = append(b, '[')
		for i, s := range list {
			if i > 0 {
				b = append(b, ',')
			}
			if !utf8.ValidString(s) {
				b = append(b, `{"b64":"`...)
				b = base64.StdEncoding.AppendEncode(b, []byte(s))
				b = append(b, `"}`...)
				continue
			}
			b = append(b, '"')
			b, _ = appendEscaped(b, s)
			b = append(b, '"')
		}
		b = append(b, ']')
	}
	text := func(name, s string) {
		if s != "" {
			key(name)
			b = append(b, '"')
			b, _ = appendEscaped(b, s)
			b = append(b, '"')
		}
	}
	number := func(name string, n int) {
		if n != 0 {
			key(name)
			b = strconv.AppendInt(b, int64(n), 10)
		}
	}
	yes := func(name string, v bool) {
		if v {
			key(name)
			b = append(b, "true"...)
		}
	}
	texts("terms", r.Terms)
	text("mode", string(r.Mode))
	text("case", string(r.Case))
	yes("full_path", r.FullPath)
	texts("filters", r.Filters)
	texts("in", r.In)
	texts("exclude", r.Exclude)
	number("min_depth", r.MinDepth)
	number("max_depth", r.MaxDepth)
	text("sort", string(r.Sort))
	yes("reverse", r.Reverse)
	number("limit", r.Limit)
	yes("count", r.Count)
	if r.Sync != 0 {
		text("sync", time.Duration(r.Sync).String())
	}
	text("after", r.After)
	yes("strict", r.Strict)
	yes("explain", r.Explain)
	yes("unresolved", r.Unresolved)
	return append(b, '}')
}

// ParseTrailer decodes the last line of an answer.
func ParseTrailer(line []byte) (Trailer, error) {
	var t Trailer
	if parseWholeTrailer(line, &t) == nil {
		return t, nil
	}
	var end struct {
		End *Trailer `json:"end"`
	}
	if err := json.Unmarshal(line, &end); err != nil {
		return Trailer{}, err
	}
	if end.End == nil {
		return Trailer{}, errors.New("it has no end")
	}
	return *end.End, nil
}

var errNotWhole = errors.New("not just a whole answer's trailer")

// parseWholeTrailer reads the trailer of an answer that is whole and not stale.
func parseWholeTrailer(line []byte, t *Trailer) error {
	p, ended := rowParser{in: line}, false
	err := p.object(func(key []byte) error {
		if string(key) != "end" || ended {
			return errNotWhole
		}
		ended = true
		return p.object(func(key []byte) (err error) {
			switch string(key) {
			case "count":
				t.Count, err = p.int64()
			case "first_clock":
				t.FirstClock, err = p.str()
			case "last_clock":
				t.LastClock, err = p.str()
			case "next":
				t.Next, err = p.str()
			case "complete":
				t.Complete, err = p.bool()
			default:
				err = errNotWhole
			}
			return err
		})
	})
	if err == nil && (!ended || p.blank() != 0 || p.at < len(line)) {
		err = errNotWhole
	}
	return err
}
