package mounts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// parse reads lines such as
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//	id parent dev root point options optional... - type source options
//
// Fields are split at single blanks, since a source may be empty.
func parse(r io.Reader) ([]Mount, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var all []Mount
	n := 0
	for line := range bytes.Lines(data) {
		n++
		m, err := parseLine(strings.TrimSuffix(string(line), "\n"))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		all = append(all, m)
	}
	return all, nil
}

var errFormat = errors.New("not in the format of mountinfo")

func parseLine(line string) (m Mount, err error) {
	f := strings.Split(line, " ")
	if len(f) < 6 {
		return m, errFormat
	}
	dash := slices.Index(f[6:], "-") + 6
	if dash < 6 || len(f) < dash+3 {
		return m, errFormat
	}
	major, minor, _ := strings.Cut(f[2], ":")
	var errs [4]error
	m.ID, errs[0] = strconv.Atoi(f[0])
	m.Parent, errs[1] = strconv.Atoi(f[1])
	ma, err2 := strconv.ParseUint(major, 10, 32)
	mi, err3 := strconv.ParseUint(minor, 10, 32)
	errs[2], errs[3] = err2, err3
	for _, err := range errs {
		if err != nil {
			return m, errFormat
		}
	}
	m.Dev = ma<<32 | mi
	m.Root, m.Point = unescape(f[3]), unescape(f[4])
	m.FSType, m.Source = unescape(f[dash+1]), unescape(f[dash+2])
	if !strings.HasPrefix(m.Point, "/") {
		return m, errFormat
	}
	if m.FSType == "btrfs" && len(f) > dash+3 {
		// btrfs names the subvolume in which the mounted directory lies.
		for option := range strings.SplitSeq(f[dash+3], ",") {
			if name, ok := strings.CutPrefix(option, "subvol="); ok {
				m.Subvolume = unescape(name) == m.Root
			}
		}
	}
	return m, nil
}

// unescape reads the kernel's \ooo, three octal digits for a byte.
func unescape(s string) string {
	i := strings.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	b := make([]byte, i, len(s))
	copy(b, s)
	for ; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b = append(b, byte(v))
				i += 3
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// escape makes printable ASCII without blanks of any bytes; unescape undoes it.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '\\' || c >= 0x7f {
			fmt.Fprintf(&b, "\\%03o", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
