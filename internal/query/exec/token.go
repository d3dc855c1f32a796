package exec

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path"
	"strings"

	"indexd/internal/query"
)

// ErrToken is wrapped by the errors of Find that are due to Query.After. They tell the user what
// to do.
var ErrToken = errors.New("after")

// tokenVersion is the first byte of a token. After it come 8 bytes of the database's ID, the
// order's name, one byte for its direction, and the clock, prefix, low, directory and name of a
// row; texts have a length. The last 4 bytes are a checksum.
const tokenVersion = 1

// token encodes the place of a row, where the next page begins.
func (a *answer) token(p *position) string {
	id := a.r.st.ID()
	b := append([]byte{tokenVersion}, id[:8]...)
	b = appendBytes(b, []byte(a.q.Sort))
	reverse := byte(0)
	if a.q.Reverse {
		reverse = 1
	}
	b = append(b, reverse)
	clock := a.sum.FirstClock
	if a.q.Viewer != nil {
		clock = 0 // it would tell that something else happened
	}
	b = binary.BigEndian.AppendUint64(b, clock)
	b = binary.BigEndian.AppendUint64(b, p.prefix)
	b = binary.BigEndian.AppendUint32(b, p.low)
	b = appendBytes(b, appendPath(nil, p.dir))
	b = appendBytes(b, []byte(p.name))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b)))
}

// resume makes the answer begin after the row of q.After.
func (a *answer) resume() error {
	if a.q.After == "" {
		return nil
	}
	if a.q.Count {
		return fmt.Errorf("%w: a count has no pages: leave out one of both", ErrToken)
	}
	damaged := fmt.Errorf(`%w: the token is damaged: copy "next" of the last page whole, or ask without it for the first page`, ErrToken)
	b, err := base64.RawURLEncoding.DecodeString(a.q.After)
	if err != nil || len(b) < 40 || b[0] != tokenVersion {
		return damaged
	}
	end := len(b) - 4
	if crc32.ChecksumIEEE(b[:end]) != binary.BigEndian.Uint32(b[end:]) {
		return damaged
	}
	if id := a.r.st.ID(); string(b[1:9]) != string(id[:8]) {
		return fmt.Errorf("%w: the token is from another database, or this one was rebuilt: ask without it for the first page", ErrToken)
	}
	d := tokenDecoder{b[9:end], false}
	sort, reverse := query.Sort(d.bytes()), d.take(1)[0] != 0
	clock := binary.BigEndian.Uint64(d.take(8))
	p := position{prefix: binary.BigEndian.Uint64(d.take(8)), low: binary.BigEndian.Uint32(d.take(4))}
	dir := string(d.bytes())
	p.name = string(d.bytes())
	if d.bad || len(d.b) > 0 || !path.IsAbs(dir) || path.Clean(dir) != dir || p.name == "" || strings.ContainsAny(dir+p.name, "\x00") || strings.Contains(p.name, "/") {
		return damaged
	}
	if sort != a.q.Sort || reverse != a.q.Reverse {
		return fmt.Errorf("%w: the token is from an answer in the order %s: ask in that order, or without the token for the first page", ErrToken, describeOrder(sort, reverse))
	}
	p.dir = toPathKey(dir)
	a.after, a.sum.FirstClock = &p, clock
	return nil
}

func describeOrder(sort query.Sort, reverse bool) string {
	s := string(sort)
	if s == "" {
		s = "that is the default"
	}
	if reverse {
		s += ", reversed"
	}
	return s
}

// tokenDecoder reads what a client sent, so it does not trust it.
type tokenDecoder struct {
	b   []byte
	bad bool
}

// take returns the next n bytes; zeros if there are fewer.
func (d *tokenDecoder) take(n int) []byte {
	if n > len(d.b) {
		d.bad = true
		return make([]byte, 8)
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *tokenDecoder) bytes() []byte {
	n, size := binary.Uvarint(d.b)
	if size <= 0 || n > uint64(len(d.b)-size) {
		d.bad = true
		return nil
	}
	d.b = d.b[size:]
	return d.take(int(n))
}
