// Package record has the bytes of a directory's listing: its key, its header and
// the columns of its entries, as they are stored, and the encoding of a listing
// that a walker found. It knows nothing of the database that keeps them.
package record

import "indexd/store/internal/codec"

// ErrCorrupt is returned when stored bytes are not what was stored: a checksum
// does not match, or a count leads beyond the end. It is store.ErrCorrupt.
var ErrCorrupt = codec.ErrCorrupt
