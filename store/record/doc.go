// Package record defines the bytes of a stored directory listing: its key, its header, the
// columns of its entries and the zone that bounds them. It also encodes the listings that a
// walker finds. It knows nothing of the database that keeps the bytes. docs/format.md
// describes the whole database.
package record

import "indexd/store/internal/codec"

// ErrCorrupt is returned when stored bytes are not what was stored: a checksum does not match,
// or a count leads beyond the end. It is the same value as store.ErrCorrupt.
var ErrCorrupt = codec.ErrCorrupt
