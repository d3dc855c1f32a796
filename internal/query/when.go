package query

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"indexd/listing"
)

// moment is what a written time stands for: all nanoseconds from first to last. A day is all
// of that day, a duration one instant.
type moment struct {
	first, last listing.Time
	since       bool // it is a duration, which alone means everything since then
}

// mtime reads the value of mtime:, which --changed-within and --changed-before use too.
func (v fieldValue) mtime() (Expr, error) {
	op, lo, hi, err := v.compare()
	if err != nil {
		return nil, err
	}
	e := &Mtime{}
	from := func(t listing.Time) { e.Lo, e.HasLo = t, true }
	upto := func(t listing.Time) { e.Hi, e.HasHi = t, true }
	if op == cmpRange {
		for i, end := range []fieldValue{lo, hi} {
			if end.len() == 0 {
				continue
			}
			m, err := end.moment()
			if err != nil {
				return nil, err
			}
			if i == 0 {
				from(m.first)
			} else {
				upto(m.last)
			}
		}
		if e.HasLo && e.HasHi && e.Hi.Compare(e.Lo) < 0 {
			return nil, v.fail(0, "the range ends before it begins", "the older end comes first: mtime:2d..1d")
		}
		return e, nil
	}
	m, err := lo.moment()
	if err != nil {
		return nil, err
	}
	switch op {
	case cmpMore:
		from(addNano(m.last, 1))
	case cmpMoreOrEqual:
		from(m.first)
	case cmpLess:
		upto(addNano(m.first, -1))
	case cmpLessOrEqual:
		upto(m.last)
	default:
		from(m.first)
		if !m.since {
			upto(m.last)
		}
	}
	return e, nil
}

const whenHint = "a date is 2026-11-20, 2026-11, 2026-11-20T15:04:05, today or yesterday, a duration 2d or 1h30m (s m h d w M y)"

func (v fieldValue) moment() (moment, error) {
	s := v.String()
	switch {
	case s == "now", s == "today", s == "yesterday":
		if v.env == nil || v.env.Now.IsZero() {
			return moment{}, v.fail(0, s+" has no meaning here", "write a date with a time and a zone")
		}
		now := v.env.Now.In(v.env.loc())
		if s == "now" {
			return moment{first: listing.FromStd(now), last: listing.FromStd(now)}, nil
		}
		y, m, d := now.Date()
		if s == "yesterday" {
			d--
		}
		return span(startOfDay(y, m, d, now.Location()), startOfDay(y, m, d+1, now.Location())), nil
	case s[0] == '@':
		return v.unix()
	case strings.IndexByte("0123456789", s[0]) < 0:
		return moment{}, v.fail(0, shown(s)+" is neither a date nor a duration", whenHint)
	case len(s) > 4 && s[4] == '-':
		return v.date()
	}
	return v.duration()
}

func (e *Env) loc() *time.Location {
	if e.Loc == nil {
		return time.Local
	}
	return e.Loc
}

// span returns the moment from first up to, but not including, end.
func span(first, end time.Time) moment {
	return moment{first: listing.FromStd(first), last: addNano(listing.FromStd(end), -1)}
}

// addNano adds n, which is 1 or -1, nanoseconds. At the limits of Time it returns t.
func addNano(t listing.Time, n int) listing.Time {
	switch {
	case n > 0 && t.Nsec == 999_999_999:
		if t.Sec == math.MaxInt64 {
			return t
		}
		return listing.Time{Sec: t.Sec + 1}
	case n < 0 && t.Nsec == 0:
		if t.Sec == math.MinInt64 {
			return t
		}
		return listing.Time{Sec: t.Sec - 1, Nsec: 999_999_999}
	}
	t.Nsec += uint32(n)
	return t
}

// startOfDay returns the first instant of a day. It is not always midnight, since clocks may
// be changed at midnight.
func startOfDay(y int, m time.Month, d int, loc *time.Location) time.Time {
	want := time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
	t := time.Date(y, m, d, 0, 0, 0, 0, loc)
	sameDay := func(t time.Time) bool {
		return t.Year() == want.Year() && t.YearDay() == want.YearDay()
	}
	// time.Date may return an instant on either side of the change.
	for i := 0; i < 8 && !sameDay(t) && t.Day() != want.Day(); i++ {
		t = t.Add(30 * time.Minute)
	}
	for i := 0; i < 8 && sameDay(t.Add(-30*time.Minute)); i++ {
		t = t.Add(-30 * time.Minute)
	}
	return t
}

// date reads a month, a day, a minute or a second, and returns all of it. A second with a
// fraction is one instant.
func (v fieldValue) date() (moment, error) {
	s := v.String()
	if len(s) > 10 && s[10] == ' ' { // as in "2026-11-20 15:04", in quotes
		s = s[:10] + "T" + s[11:]
	}
	for _, f := range dateForms {
		zoned := strings.HasSuffix(f.layout, "Z07:00")
		t, err := time.ParseInLocation(f.layout, s, time.UTC)
		if err != nil {
			continue
		}
		loc := t.Location()
		if !zoned {
			if v.env == nil {
				return moment{}, v.fail(0, "the date needs a zone here", "as in 2026-11-20T15:04:05Z")
			}
			loc = v.env.loc()
		}
		y, m, d := t.Date()
		clock := time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
		switch f.unit {
		case 'M':
			return span(startOfDay(y, m, 1, loc), startOfDay(y, m+1, 1, loc)), nil
		case 'd':
			return span(startOfDay(y, m, d, loc), startOfDay(y, m, d+1, loc)), nil
		case 'm':
			return span(clock, clock.Add(time.Minute)), nil
		}
		if strings.ContainsAny(s, ".,") {
			return span(clock, clock.Add(1)), nil
		}
		return span(clock, clock.Add(time.Second)), nil
	}
	return moment{}, v.fail(0, shown(v.String())+" is no date", whenHint)
}

// dateForms are tried in this order. time.Parse also accepts a fraction of a second.
var dateForms = [...]struct {
	layout string
	unit   byte
}{
	{"2006-01", 'M'},
	{"2006-01-02", 'd'},
	{"2006-01-02T15:04", 'm'},
	{"2006-01-02T15:04Z07:00", 'm'},
	{"2006-01-02T15:04:05", 's'},
	{"2006-01-02T15:04:05Z07:00", 's'},
}

// unix reads seconds since 1970, such as @1234567890 or @-1.5.
func (v fieldValue) unix() (moment, error) {
	digits := v.sub(1, v.len())
	neg := digits.len() > 0 && digits.b[0] == '-'
	if neg {
		digits = digits.sub(1, digits.len())
	}
	n, i, err := digits.digits()
	if err != nil {
		return moment{}, err
	}
	f, rest, err := digits.fraction(i)
	if err != nil {
		return moment{}, err
	}
	if rest < digits.len() {
		return moment{}, digits.fail(rest, "this is no number of seconds", "")
	}
	if n > maxSeconds {
		return moment{}, digits.fail(0, "the time is too far away", "")
	}
	t := listing.Time{Sec: int64(n), Nsec: uint32(f / (fractionUnit / 1e9))}
	if neg {
		t.Sec = -int64(n)
		if t.Nsec > 0 {
			t = listing.Time{Sec: -int64(n) - 1, Nsec: 1e9 - t.Nsec}
		}
	}
	if rest > i { // a fraction makes it one instant
		return moment{first: t, last: t}, nil
	}
	return moment{first: t, last: listing.Time{Sec: t.Sec, Nsec: 999_999_999}}, nil
}

// maxSeconds limits the distance of a time from 1970, and the length of a duration, to 30
// million years.
const maxSeconds = 1_000_000_000_000_000

// Months and years are as long as in fd.
const (
	day   = 24 * 3600
	month = 2_630_016  // 30.44 days
	year  = 31_557_600 // 365.25 days
)

func unitSeconds(word string) int64 {
	switch word {
	case "s", "sec", "secs", "second", "seconds":
		return 1
	case "m", "min", "mins", "minute", "minutes":
		return 60
	case "h", "hr", "hrs", "hour", "hours":
		return 3600
	case "d", "day", "days":
		return day
	case "w", "week", "weeks":
		return 7 * day
	case "M", "month", "months":
		return month
	case "y", "year", "years":
		return year
	}
	return 0
}

// duration reads 2d, 1h30m or 1.5h, and returns the instant that long before now.
func (v fieldValue) duration() (moment, error) {
	var total listing.Time
	for i := 0; i < v.len(); {
		part := v.sub(i, v.len())
		n, at, err := part.digits()
		if err != nil {
			return moment{}, err
		}
		f, at, err := part.fraction(at)
		if err != nil {
			return moment{}, err
		}
		end := at
		for end < part.len() && (part.b[end]|0x20 >= 'a' && part.b[end]|0x20 <= 'z') {
			end++
		}
		word := string(part.b[at:end])
		unit := unitSeconds(word)
		switch {
		case word == "" && end < part.len():
			return moment{}, part.fail(at, shown(v.String())+" is neither a date nor a duration", whenHint)
		case word == "":
			return moment{}, part.fail(at, "the unit is missing", whenHint)
		case unit == 0:
			return moment{}, part.fail(at, "there is no unit "+shown(word), "units are s m h d w M (month) y")
		}
		sec, rest, ok := scaled(n, f, unit)
		if !ok || sec > maxSeconds-total.Sec {
			return moment{}, part.fail(0, "the duration is too long", "")
		}
		total.Sec += sec
		total.Nsec += uint32(rest / (fractionUnit / 1e9))
		if total.Nsec >= 1e9 {
			total = listing.Time{Sec: total.Sec + 1, Nsec: total.Nsec - 1e9}
		}
		i += end
	}
	if v.env == nil || v.env.Now.IsZero() {
		return moment{}, v.fail(0, "a duration has no meaning here", "write a date with a time and a zone")
	}
	t := listing.FromStd(v.env.Now)
	t.Sec -= total.Sec
	if t.Nsec < total.Nsec {
		t.Sec, t.Nsec = t.Sec-1, t.Nsec+1e9
	}
	t.Nsec -= total.Nsec
	return moment{first: t, last: t, since: true}, nil
}

// formatTime writes one end of a range so that date or unix read the same end again. last is
// set for the upper end; a whole second then stands for its last nanosecond.
func formatTime(t listing.Time, last bool) string {
	frac := fmt.Sprintf(".%09d", t.Nsec)
	if !last && t.Nsec == 0 || last && t.Nsec == 999_999_999 {
		frac = ""
	}
	// Years with four digits.
	if t.Sec >= -62_135_596_800 && t.Sec < 253_402_300_800 {
		return time.Unix(t.Sec, 0).UTC().Format("2006-01-02T15:04:05") + frac + "Z"
	}
	if t.Sec < 0 && frac != "" && t.Nsec > 0 { // unix counts the fraction away from zero
		return fmt.Sprintf("@%d.%09d", t.Sec+1, 1_000_000_000-t.Nsec)
	}
	return "@" + strconv.FormatInt(t.Sec, 10) + frac
}
