package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"indexd/listing"
)

var errRow = errors.New("not a row")

// ParseRow decodes one object as encoded by AppendJSON. It accepts fields in any order,
// any white space, and unknown fields, which it skips. It overwrites r, which does not
// share memory with line. encoding/json takes ten times as long.
func ParseRow(line []byte, r *Row) error {
	*r = Row{NoMeta: true}
	p := rowParser{in: line}
	var path string
	err := p.object(func(key []byte) error {
		var err error
		switch string(key) {
		case "path":
			if path == "" {
				path, err = p.str()
				return err
			}
			return p.skip() // path_b64 came first
		case "path_b64":
			path, err = p.base64()
		case "type":
			var s []byte
			if s, err = p.raw(); err == nil && len(s) != 1 {
				err = errRow
			} else if err == nil {
				t, _ := listing.TypeOfLetter(s[0])
				r.Mode |= uint32(t) << 12
			}
		case "size":
			r.NoMeta = false
			r.Size, err = p.int64()
		case "blocks":
			r.Blocks, err = p.int64()
		case "mtime":
			r.Mtime, err = p.time()
		case "mode":
			var permissions uint32
			permissions, err = p.octal()
			r.Mode |= permissions & 0o7777
		case "uid":
			r.UID, err = p.uint32()
		case "gid":
			r.GID, err = p.uint32()
		case "inode":
			r.Ino, err = p.uint(64)
		case "nlink":
			r.Nlink, err = p.uint32()
		case "user":
			r.User, err = p.str()
		case "group":
			r.Group, err = p.str()
		case "target":
			if r.Target == "" {
				r.Target, err = p.str()
				return err
			}
			return p.skip()
		case "target_b64":
			r.Target, err = p.base64()
		default:
			err = p.skip()
		}
		return err
	})
	if err == nil && len(bytes.TrimSpace(p.in[p.at:])) > 0 {
		err = errRow
	}
	slash := strings.LastIndexByte(path, '/')
	if err == nil && slash < 0 {
		err = errors.New("no absolute path")
	}
	if err != nil {
		return fmt.Errorf("row at byte %d: %w", p.at, err)
	}
	r.Dir, r.Name = path[:max(slash, 1)], path[slash+1:]
	return nil
}

// rowParser reads JSON from left to right. After an error, at is its position.
type rowParser struct {
	in []byte
	at int
}

// blank skips white space and returns the next byte without reading it, or 0 at the end.
func (p *rowParser) blank() byte {
	for ; p.at < len(p.in); p.at++ {
		switch c := p.in[p.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (p *rowParser) expect(c byte) error {
	if p.blank() != c {
		return errRow
	}
	p.at++
	return nil
}

// object reads an object. It calls field at each value, and field reads the value.
func (p *rowParser) object(field func(key []byte) error) error {
	if err := p.expect('{'); err != nil {
		return err
	}
	if p.blank() == '}' {
		p.at++
		return nil
	}
	for {
		p.blank()
		key, err := p.raw()
		if err != nil {
			return err
		}
		if err := p.expect(':'); err != nil {
			return err
		}
		p.blank()
		if err := field(key); err != nil {
			return err
		}
		switch p.blank() {
		case ',':
			p.at++
		case '}':
			p.at++
			return nil
		default:
			return errRow
		}
	}
}

// raw reads a string and returns its contents with escapes.
func (p *rowParser) raw() ([]byte, error) {
	if p.at >= len(p.in) || p.in[p.at] != '"' {
		return nil, errRow
	}
	start := p.at + 1
	for from := start; ; {
		quote := bytes.IndexByte(p.in[from:], '"')
		if quote < 0 {
			p.at = len(p.in)
			return nil, errRow
		}
		end := from + quote
		escapes := 0 // backslashes before the quote: an odd number escapes it
		for end-escapes > start && p.in[end-escapes-1] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			p.at = end + 1
			return p.in[start:end], nil
		}
		from = end + 1
	}
}

// str reads a string. It keeps invalid UTF-8, which the server should not send.
func (p *rowParser) str() (string, error) {
	raw, err := p.raw()
	if err != nil || bytes.IndexByte(raw, '\\') < 0 {
		return string(raw), err
	}
	return unescape(raw)
}

// unescape decodes the contents of a JSON string. As in encoding/json, an unpaired
// surrogate becomes U+FFFD.
func unescape(raw []byte) (string, error) {
	out := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 || i+1 == len(raw) {
			i = len(raw)
		}
		out, raw = append(out, raw[:i]...), raw[i:]
		if len(raw) == 0 {
			break
		}
		c := raw[1]
		raw = raw[2:]
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := hex4(raw)
			if !ok {
				return "", errRow
			}
			raw = raw[4:]
			if utf16.IsSurrogate(r) {
				low, ok := rune(0), false
				if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
					low, ok = hex4(raw[2:])
				}
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					raw = raw[6:]
				} else {
					r = utf8.RuneError
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			return "", errRow
		}
	}
	return string(out), nil
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func (p *rowParser) base64() (string, error) {
	s, err := p.str()
	if err != nil {
		return "", err
	}
	out, err := base64.StdEncoding.DecodeString(s)
	return string(out), err
}

// uint reads a number without a sign that fits in the given number of bits.
func (p *rowParser) uint(bits int) (v uint64, err error) {
	start := p.at
	for ; p.at < len(p.in) && '0' <= p.in[p.at] && p.in[p.at] <= '9'; p.at++ {
		d := uint64(p.in[p.at] - '0')
		if v > (math.MaxUint64-d)/10 {
			return 0, errRow
		}
		v = v*10 + d
	}
	if p.at == start || v>>(bits-1)>>1 != 0 {
		return 0, errRow
	}
	return v, nil
}

func (p *rowParser) int64() (int64, error) {
	if p.at == len(p.in) || p.in[p.at] != '-' {
		v, err := p.uint(63)
		return int64(v), err
	}
	p.at++
	v, err := p.uint(64)
	if v > 1<<63 {
		err = errRow
	}
	return -int64(v), err
}

func (p *rowParser) uint32() (uint32, error) {
	v, err := p.uint(32)
	return uint32(v), err
}

func (p *rowParser) bool() (bool, error) {
	for _, word := range []string{"true", "false"} {
		if bytes.HasPrefix(p.in[p.at:], []byte(word)) {
			p.at += len(word)
			return word == "true", nil
		}
	}
	return false, errRow
}

// octal reads a string of octal digits.
func (p *rowParser) octal() (v uint32, err error) {
	raw, err := p.raw()
	for _, c := range raw {
		if c < '0' || c > '7' || v > 0o777777 {
			return 0, errRow
		}
		v = v<<3 | uint32(c-'0')
	}
	return v, err
}

// time reads a time as written by appendTime, with up to nine digits of a second.
func (p *rowParser) time() (t listing.Time, err error) {
	raw, err := p.raw()
	if err != nil {
		return t, err
	}
	s, negative := bytes.CutPrefix(raw, []byte("-"))
	year, rest, ok := bytes.Cut(s, []byte("-"))
	if !ok || len(year) < 4 || len(year) > 18 || len(rest) < len("01-02T15:04:05Z") ||
		rest[2] != '-' || rest[5] != 'T' || rest[8] != ':' || rest[11] != ':' || rest[len(rest)-1] != 'Z' {
		return t, errRow
	}
	bad := false
	digits := func(b []byte) (v int64) {
		for _, c := range b {
			if c < '0' || c > '9' {
				bad = true
			}
			v = v*10 + int64(c-'0')
		}
		return v
	}
	y := digits(year)
	if negative {
		y = -y
	}
	day := days(y, uint32(digits(rest[0:2])), uint32(digits(rest[3:5])))
	t.Sec = day*86400 + digits(rest[6:8])*3600 + digits(rest[9:11])*60 + digits(rest[12:14])
	if frac := rest[14 : len(rest)-1]; len(frac) > 0 {
		if frac[0] != '.' || len(frac) < 2 || len(frac) > 10 {
			return t, errRow
		}
		t.Nsec = uint32(digits(frac[1:]))
		for range 10 - len(frac) {
			t.Nsec *= 10
		}
	}
	if bad {
		return t, errRow
	}
	return t, nil
}

// skip reads a value of any kind.
func (p *rowParser) skip() error {
	depth := 0
	for {
		switch c := p.blank(); c {
		case 0:
			return errRow
		case '"':
			if _, err := p.raw(); err != nil {
				return err
			}
		case '{', '[':
			depth++
			p.at++
		case '}', ']':
			if depth == 0 {
				return errRow
			}
			depth--
			p.at++
		case ',', ':':
			if depth == 0 {
				return errRow
			}
			p.at++
			continue
		default: // a number, true, false, null
			start := p.at
			for p.at < len(p.in) && !strings.ContainsRune(" \t\r\n,:]}[{\"", rune(p.in[p.at])) {
				p.at++
			}
			if p.at == start {
				return errRow
			}
		}
		if depth == 0 {
			return nil
		}
	}
}
