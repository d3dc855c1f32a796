package query

import "indexd/listing"

// Truth is the answer to a question about something that may be only partly known. The zero
// value is Unknown.
type Truth int8

// The three answers. NOT Unknown is Unknown, and an entry for which a query is Unknown does
// not match. So what a caller may not see affects no answer, negated or not.
//
// AND is the minimum of its operands, OR the maximum, and NOT changes the sign.
const (
	False   Truth = -1
	Unknown Truth = 0
	True    Truth = 1
)

// TruthOf returns True or False.
func TruthOf(b bool) Truth {
	if b {
		return True
	}
	return False
}

func (t Truth) String() string { return [3]string{"false", "unknown", "true"}[t+1] }

// Zone describes a set of entries without reading them. The bounds include the size and mtime
// of every entry; an entry that could not be stat'ed counts with size 0 and the zero time.
type Zone struct {
	Count, Dirs      uint64
	MinSize, MaxSize int64
	Oldest, Newest   listing.Time
}
