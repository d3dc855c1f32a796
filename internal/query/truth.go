package query

import "indexd/listing"

// Truth is the answer to a question of which not everything may be known. The
// zero value is Unknown.
type Truth int8

// The three answers. NOT Unknown is Unknown, and an Unknown entry is no match,
// so what a caller may not see shows in no answer, negated or not.
//
// AND is the least of its sides, OR the greatest, NOT changes the sign.
const (
	False   Truth = -1
	Unknown Truth = 0
	True    Truth = 1
)

func TruthOf(b bool) Truth {
	if b {
		return True
	}
	return False
}

func (t Truth) String() string { return [3]string{"false", "unknown", "true"}[t+1] }

// Zone is what is known of a number of entries without reading them. The
// bounds include every entry's size and mtime; an entry whose stat failed
// counts as of size 0 and time zero.
type Zone struct {
	Count, Dirs      uint64
	MinSize, MaxSize int64
	Oldest, Newest   listing.Time
}
