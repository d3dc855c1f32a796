package run

import "indexd/store"

// What a scan asks of every header. They are here together since they read more
// of it than they need to.

func aggOf(r *store.Record) *store.Aggregates { return &r.Header().Agg }
func chunked(r *store.Record) bool            { return r.Header().Chunked }
