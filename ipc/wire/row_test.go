package wire

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"indexd/listing"
)

// wireRow is a row as encoding/json reads and writes it: the oracle.
type wireRow struct {
	Path    string  `json:"path"`
	Name    string  `json:"name"`
	Dir     string  `json:"dir"`
	Type    string  `json:"type"`
	Size    *int64  `json:"size,omitempty"`
	Blocks  *int64  `json:"blocks,omitempty"`
	Mtime   *string `json:"mtime,omitempty"`
	Mode    *string `json:"mode,omitempty"`
	UID     *uint32 `json:"uid,omitempty"`
	GID     *uint32 `json:"gid,omitempty"`
	Inode   *uint64 `json:"inode,omitempty"`
	Nlink   *uint32 `json:"nlink,omitempty"`
	User    string  `json:"user,omitempty"`
	Group   string  `json:"group,omitempty"`
	Target  string  `json:"target,omitempty"`
	PathB64 []byte  `json:"path_b64,omitempty"`
	TgtB64  []byte  `json:"target_b64,omitempty"`
}

func checkRow(t *testing.T, r Row) {
	t.Helper()
	line := r.AppendJSON(nil)
	if !utf8.Valid(line) || bytes.ContainsAny(line, "\n\x00\x7f\u009b") {
		t.Fatalf("%q: not fit for a line or a terminal", line)
	}
	var w wireRow
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	// What a string becomes in JSON, by the standard library's own way.
	lossy := func(s string) string {
		b, _ := json.Marshal(s)
		json.Unmarshal(b, &s)
		return s
	}
	if w.Path != lossy(r.Path()) || w.Name != lossy(r.Name) || w.Dir != lossy(r.Dir) || w.Type != string(rune(r.Type().Letter())) {
		t.Errorf("%s\nis not %+v", line, r)
	}
	if utf8.ValidString(r.Path()) != (w.PathB64 == nil) || w.PathB64 != nil && string(w.PathB64) != r.Path() {
		t.Errorf("path_b64 %q of %q", w.PathB64, r.Path())
	}
	if r.NoMeta {
		if w.Size != nil || w.Blocks != nil || w.Mtime != nil || w.Mode != nil || w.UID != nil || w.GID != nil || w.Inode != nil || w.Nlink != nil {
			t.Errorf("metadata in %s", line)
		}
	} else {
		if *w.Size != r.Size || *w.Blocks != r.Blocks || *w.UID != r.UID || *w.GID != r.GID || *w.Inode != r.Ino || *w.Nlink != r.Nlink {
			t.Errorf("%s\nis not %+v", line, r)
		}
		var mode uint32
		for _, c := range *w.Mode {
			mode = mode<<3 | uint32(c-'0')
		}
		if len(*w.Mode) != 4 || mode != r.Mode&0o7777 {
			t.Errorf("mode %s of %o", *w.Mode, r.Mode)
		}
		std := r.Mtime.Std().UTC()
		if y := std.Year(); y >= 0 && y <= 9999 {
			if want := std.Format("2006-01-02T15:04:05.000000000Z"); *w.Mtime != want {
				t.Errorf("mtime %s, want %s", *w.Mtime, want)
			}
		}
	}
	var back Row
	if err := ParseRow(line, &back); err != nil {
		t.Fatal(err)
	}
	want := r
	if r.NoMeta {
		want = Row{Dir: r.Dir, Entry: listing.Entry{Name: r.Name, Stat: listing.Stat{Mode: r.Mode &^ 0o7777}}, NoMeta: true, User: r.User, Group: r.Group, Target: r.Target}
	}
	if utf8.ValidString(r.User) && utf8.ValidString(r.Group) && back != want {
		t.Errorf("%s\ngot  %+v\nwant %+v", line, back, want)
	}
}

func TestRow(t *testing.T) {
	for _, r := range []Row{
		{Dir: "/", Entry: listing.Entry{Name: "x", Stat: listing.Stat{Mode: 0o100000}}},
		{Dir: "/a/b", Entry: listing.Entry{Name: "x\ny", Stat: listing.Stat{Mode: 0o047755, Size: math.MaxInt64, UID: math.MaxUint32, Ino: math.MaxUint64}}},
		{Dir: "/\xff", Entry: listing.Entry{Name: "ok", Stat: listing.Stat{Mode: 0o120000}}, User: "root", Group: "wheel", Target: "\xc3("},
		{Dir: "/ok", Entry: listing.Entry{Name: "\xe2\x80", Stat: listing.Stat{Mode: 0o000000, Size: 7}}, NoMeta: true},
		{Dir: "/a", Entry: listing.Entry{Name: "\"\\\b\f\n\r\t\x00\x1f\x7f\u0080\u009b\u2028é日本🎉", Stat: listing.Stat{Mode: 0o140000}}},
		{Dir: "/" + strings.Repeat("long/", 2400) + "x", Entry: listing.Entry{Name: strings.Repeat("n", 255), Stat: listing.Stat{Mode: 0o010000}}},
		{Dir: "/t", Entry: listing.Entry{Name: "1969", Stat: listing.Stat{Mode: 0o100000, Mtime: listing.Time{Sec: -1, Nsec: 999999999}}}},
		{Dir: "/t", Entry: listing.Entry{Name: "2446", Stat: listing.Stat{Mode: 0o100000, Mtime: listing.Time{Sec: 15032385535, Nsec: 1}}}},
		{Dir: "/t", Entry: listing.Entry{Name: "9999", Stat: listing.Stat{Mode: 0o100000, Mtime: listing.Time{Sec: 253402300799}}}},
		{Dir: "/t", Entry: listing.Entry{Name: "10000", Stat: listing.Stat{Mode: 0o100000, Mtime: listing.Time{Sec: 253402300800}}}},
		{Dir: "/t", Entry: listing.Entry{Name: "0", Stat: listing.Stat{Mode: 0o100000, Mtime: listing.Time{Sec: -62167219200}}}},
		{Dir: "/t", Entry: listing.Entry{Name: "-1", Stat: listing.Stat{Mode: 0o100000, Mtime: listing.Time{Sec: -62167219201}}}},
		{Dir: "/t", Entry: listing.Entry{Name: "max", Stat: listing.Stat{Mode: 0o100000, Mtime: listing.Time{Sec: 1 << 55, Nsec: 5}}}},
	} {
		checkRow(t, r)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	text := func(not string) string {
		b := make([]byte, 1+rnd.IntN(12))
		for i := range b {
			for {
				b[i] = byte(rnd.UintN(256))
				if rnd.IntN(3) > 0 {
					b[i] = "ab\"\\\xc3\xa9\xe2\x82\xac\n\x80"[rnd.IntN(11)]
				}
				if strings.IndexByte(not, b[i]) < 0 {
					break
				}
			}
		}
		return string(b)
	}
	for range 5000 {
		checkRow(t, Row{
			Dir: "/" + text("\x00"), NoMeta: rnd.IntN(4) == 0, Target: text("\x00"), Entry: listing.Entry{Name: text("/\x00"), Stat: listing.Stat{
				Size: rnd.Int64(), Blocks: rnd.Int64N(1 << 40), Mtime: listing.Time{Sec: rnd.Int64N(1<<39) - 1<<38, Nsec: rnd.Uint32N(1e9)},
				Mode: []uint32{0o100000, 0o040000, 0o120000, 0o140000, 0o010000, 0o060000, 0o020000, 0}[rnd.IntN(8)] | rnd.Uint32N(0o10000),
				UID:  rnd.Uint32(), GID: rnd.Uint32(), Ino: rnd.Uint64(), Nlink: rnd.Uint32(),
			}},
		})
	}
}

func TestParseRowOfOthers(t *testing.T) {
	var r Row
	line := ` { "later" : { "a":[1,{"b":"]}"},null] } , "mtime":"2024-02-29T23:59:60.5Z","size" : -1 ,"x":1.5e3,"path_b64":"L/8vYQ==","path":"lossy","type":"f"} `
	if err := ParseRow([]byte(line), &r); err != nil {
		t.Fatal(err)
	}
	if r.Path() != "/\xff/a" || r.Size != -1 || r.NoMeta || r.Mtime.Nsec != 500000000 || r.Mtime.Sec != time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC).Unix() {
		t.Errorf("%+v", r)
	}
	for _, bad := range []string{"", "{", "{}", "[]", "null", `{"path":"x"}`, `{"path":1}`, `{"path":"/x"`, `{"path":"/x",}`, `{"path":"/x"}}`, `{"path":"/x"} 1`,
		`{"path":"/\u12"}`, `{"path":"/\q"}`, `{"path":"/x","size":"1"}`, `{"path":"/x","mtime":"2024"}`, `{"path":"/x","mode":"9"}`, `{"path":"/x","a":}`, `{"path":"/x","a":]}`, `{"path":"/x\`} {
		if err := ParseRow([]byte(bad), &r); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// FuzzParseRow: never a panic, and where encoding/json reads an object too,
// the same path and size.
func FuzzParseRow(f *testing.F) {
	f.Add([]byte(`{"path":"/a/\ud83c\udf89\ud83cx","name":"b","size":5,"mtime":"2024-01-01T00:00:00Z","z":[{}]}`))
	f.Add((&Row{Dir: "/\xff", Entry: listing.Entry{Name: "b", Stat: listing.Stat{Mode: 0o100644}}, Target: "\xff"}).AppendJSON(nil))
	f.Fuzz(func(t *testing.T, line []byte) {
		var r Row
		if ParseRow(line, &r) != nil || !utf8.Valid(line) {
			return
		}
		var all map[string]json.RawMessage
		if json.Unmarshal(line, &all) != nil {
			return // looser than JSON in values that it skips
		}
		var w wireRow
		if json.Unmarshal(line, &w) != nil || bytes.Count(line, []byte(`"path`)) != 1 || all["path"] == nil {
			return
		}
		if r.Path() != w.Path && !strings.HasPrefix(w.Path, "//") {
			t.Errorf("%q: path %q, want %q", line, r.Path(), w.Path)
		}
		if w.Size != nil && bytes.Count(line, []byte(`"size"`)) == 1 && all["size"] != nil && r.Size != *w.Size {
			t.Errorf("%q: size %d, want %d", line, r.Size, *w.Size)
		}
		again := r.AppendJSON(nil)
		var back Row
		if err := ParseRow(again, &back); err != nil || back.Path() != r.Path() {
			t.Errorf("%q: %v", again, err)
		}
	})
}

var benchRow = Row{Dir: "/usr/share/doc/golang/src/internal/reflectlite", Entry: listing.Entry{Name: "all_test.go", Stat: listing.Stat{
	Size: 12345, Blocks: 32, Mtime: listing.Time{Sec: 1700000000, Nsec: 123456789}, Mode: 0o100644, Ino: 1234567, Nlink: 1}}}

func BenchmarkRowAppend(b *testing.B) {
	buf := make([]byte, 0, 1024)
	for b.Loop() {
		buf = benchRow.AppendJSON(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkRowParse(b *testing.B) {
	line := benchRow.AppendJSON(nil)
	var r Row
	b.ReportAllocs()
	for b.Loop() {
		if err := ParseRow(line, &r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRowParseByEncodingJSON(b *testing.B) {
	line := benchRow.AppendJSON(nil)
	for b.Loop() {
		var w wireRow
		if err := json.Unmarshal(line, &w); err != nil {
			b.Fatal(err)
		}
	}
}
