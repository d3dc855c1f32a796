package wire

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"

	"indexd/listing"
)

// Row is one entry of an answer. Of the Stat, Ctime and Btime do not go over the
// wire.
type Row struct {
	// Dir is the absolute path of the directory. It is "/" only for entries of the
	// root directory itself.
	Dir string
	listing.Entry
	// NoMeta says that only the name and the type are known, or that the caller may
	// know no more.
	NoMeta bool

	// The client adds these before it prints a row; the daemon never sends them.
	User, Group, Target string
}

// AppendPath appends the path of the row to b.
func (r *Row) AppendPath(b []byte) []byte {
	b = append(b, r.Dir...)
	if r.Dir != "/" {
		b = append(b, '/')
	}
	return append(b, r.Name...)
}

// Path returns the path of the row.
func (r *Row) Path() string {
	if r.Dir == "/" {
		return "/" + r.Name
	}
	return r.Dir + "/" + r.Name
}

// AppendJSON appends the row as one JSON object, without a newline. If NoMeta is set, it
// omits everything after the type. A year that RFC 3339 cannot represent has more digits
// or a minus sign.
func (r *Row) AppendJSON(b []byte) []byte {
	// The escaped path consists of its escaped parts, so each part is escaped once and
	// copied.
	b = append(b, `{"path":"`...)
	dir := len(b)
	b, dirExact := appendEscaped(b, r.Dir)
	dirEnd := len(b)
	if r.Dir != "/" {
		b = append(b, '/')
	}
	name := len(b)
	b, nameExact := appendEscaped(b, r.Name)
	nameEnd := len(b)
	b = append(b, `","name":"`...)
	b = append(b, b[name:nameEnd]...)
	b = append(b, `","dir":"`...)
	b = append(b, b[dir:dirEnd]...)
	b = append(b, `","type":"`...)
	b = append(b, r.Type().Letter(), '"')
	if !r.NoMeta {
		b = append(b, `,"size":`...)
		b = strconv.AppendInt(b, r.Size, 10)
		b = append(b, `,"blocks":`...)
		b = strconv.AppendInt(b, r.Blocks, 10)
		b = append(b, `,"mtime":"`...)
		b = appendTime(b, r.Mtime)
		b = append(b, `","mode":"`...)
		b = append(b, '0'+byte(r.Mode>>9&7), '0'+byte(r.Mode>>6&7), '0'+byte(r.Mode>>3&7), '0'+byte(r.Mode&7))
		b = append(b, `","uid":`...)
		b = strconv.AppendUint(b, uint64(r.UID), 10)
		b = append(b, `,"gid":`...)
		b = strconv.AppendUint(b, uint64(r.GID), 10)
		b = append(b, `,"inode":`...)
		b = strconv.AppendUint(b, r.Ino, 10)
		b = append(b, `,"nlink":`...)
		b = strconv.AppendUint(b, uint64(r.Nlink), 10)
	}
	b = appendField(b, "user", r.User)
	b = appendField(b, "group", r.Group)
	b = appendField(b, "target", r.Target)
	if !dirExact || !nameExact {
		b = append(b, `,"path_b64":"`...)
		b = base64.StdEncoding.AppendEncode(b, []byte(r.Path()))
		b = append(b, '"')
	}
	return append(b, '}')
}

// appendField appends a field unless it is empty.
func appendField(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":"`...)
	b, exact := appendEscaped(b, s)
	b = append(b, '"')
	if !exact {
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `_b64":"`...)
		b = base64.StdEncoding.AppendEncode(b, []byte(s))
		b = append(b, '"')
	}
	return b
}

const hexDigits = "0123456789abcdef"

// appendEscaped appends s as the contents of a JSON string. exact is false if s is not
// valid UTF-8; each invalid byte is then replaced by U+FFFD. DEL and the C1 control
// characters are escaped as well, because terminals interpret them.
func appendEscaped(b []byte, s string) (out []byte, exact bool) {
	exact = true
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[done:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, '\\', 'n')
			case '\t':
				b = append(b, '\\', 't')
			case '\r':
				b = append(b, '\\', 'r')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			done = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, s[done:i]...)
			b = append(b, "\ufffd"...)
			exact = false
			done = i + n
		case r < 0xa0:
			b = append(b, s[done:i]...)
			b = append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
			done = i + n
		}
		i += n
	}
	return append(b, s[done:]...), exact
}

// appendTime appends t in RFC 3339 format, in UTC and with nanoseconds.
func appendTime(b []byte, t listing.Time) []byte {
	days := t.Sec / 86400
	rest := t.Sec % 86400
	if rest < 0 {
		days--
		rest += 86400
	}
	year, month, day := civil(days)
	if year < 0 {
		b = append(b, '-')
		year = -year
	}
	if year > 9999 {
		b = strconv.AppendInt(b, year, 10)
	} else {
		b = appendDigits(b, uint32(year), 4)
	}
	b = append(b, '-')
	b = appendDigits(b, month, 2)
	b = append(b, '-')
	b = appendDigits(b, day, 2)
	b = append(b, 'T')
	b = appendDigits(b, uint32(rest/3600), 2)
	b = append(b, ':')
	b = appendDigits(b, uint32(rest/60%60), 2)
	b = append(b, ':')
	b = appendDigits(b, uint32(rest%60), 2)
	b = append(b, '.')
	b = appendDigits(b, t.Nsec, 9)
	return append(b, 'Z')
}

func appendDigits(b []byte, v uint32, width int) []byte {
	var d [9]byte
	for i := width - 1; i >= 0; i-- {
		d[i] = '0' + byte(v%10)
		v /= 10
	}
	return append(b, d[:width]...)
}

// civil converts days since 1970-01-01 to a date in the Gregorian calendar. It counts
// years from March 1, so that a leap day is the last day of its year.
func civil(days int64) (year int64, month, day uint32) {
	days += 719468 // since 0000-03-01
	era := days / 146097
	if days < 0 {
		era = (days - 146096) / 146097
	}
	doe := days - era*146097                               // day of the era of 400 years
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365 // year of the era
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = uint32(doy-(153*mp+2)/5) + 1
	month = uint32(mp) + 3
	year = yoe + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

// days is the inverse of civil.
func days(year int64, month, day uint32) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	yoe := year - era*400
	doy := int64(153*(month-3)+2)/5 + int64(day) - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}
