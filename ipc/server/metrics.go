package server

import (
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"

	"indexd/ipc/wire"
)

// stats are the counters of the server.
type stats struct {
	requests atomic.Int64 // total
	failed   atomic.Int64 // total with a status of 400 or above
	dropped  atomic.Int64 // total of unresponsive clients
	working  atomic.Int64 // in progress now
}

// metrics answers GET /metrics in the text format of Prometheus. The answer contains no
// paths, because those who may scrape it may not see every name.
func (q *request) metrics() error {
	st, err := q.getStatus()
	if err != nil {
		return err
	}
	var b []byte
	put := func(name, kind, help string, v float64) {
		b = fmt.Appendf(b, "# HELP indexd_%s %s\n# TYPE indexd_%s %s\nindexd_%s %s\n",
			name, help, name, kind, name, strconv.FormatFloat(v, 'f', -1, 64))
	}
	gauge := func(name, help string, v int64) { put(name, "gauge", help, float64(v)) }
	counter := func(name, help string, v int64) { put(name, "counter", help, float64(v)) }
	b = fmt.Appendf(b, "# HELP indexd_info The running daemon.\n# TYPE indexd_info gauge\nindexd_info{version=%q} 1\n", st.Version)
	put("uptime_seconds", "gauge", "Time since the daemon started.", st.Uptime)
	gauge("ready", "1 when every root has been listed completely and is watched.", int64(b2i(st.Ready)))
	if !st.Restricted { // otherwise the client may not know totals
		gauge("entries", "Entries in the index.", st.Entries)
		gauge("directories", "Directories in the index.", st.Dirs)
		gauge("pending_directories", "Directories waiting to be listed.", st.Pending)
		gauge("database_bytes", "Size of the database file.", st.DB.Size)
		gauge("database_free_bytes", "Bytes of it that are not in use.", st.DB.Free)
		gauge("watches", "Watches in use.", st.Watch.Watches)
		gauge("watches_limit", "Watches that may be used.", st.Watch.Limit)
		gauge("watches_needed", "Watches that would cover every directory.", st.Watch.Needed)
		counter("watch_overflows_total", "Times the event queue overflowed.", st.Watch.Overflows)
		gauge("memory_rss_bytes", "Resident memory, the database's pages included.", st.Memory.RSS)
		gauge("memory_anonymous_bytes", "Resident memory without the database's pages.", st.Memory.Anonymous)
	}
	gauge("workers", "Workers of the walker.", int64(st.Workers))
	gauge("jobs", "Jobs under way.", int64(len(st.Jobs)))
	gauge("goroutines", "Goroutines of the daemon.", int64(runtime.NumGoroutine()))
	b = appendRoots(b, st.Roots, st.Restricted)
	open, waiting := q.s.listener.counts()
	gauge("connections", "Open connections.", int64(open))
	gauge("connections_waiting", "Connections over their user's limit, waiting to be served.", int64(waiting))
	gauge("requests_working", "Requests being answered.", q.s.stats.working.Load())
	gauge("requests_queued", "Requests over their user's limit, waiting for their turn.", int64(q.s.slots.waiting()))
	counter("requests_total", "Requests ever.", q.s.stats.requests.Load())
	counter("requests_failed_total", "Requests answered with a problem.", q.s.stats.failed.Load())
	counter("clients_dropped_total", "Clients dropped because they did not read, or held what others waited for.", q.s.stats.dropped.Load())
	q.w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	q.send(http.StatusOK, b)
	return nil
}

// appendRoots appends the number of roots per state and, unless restricted, of directories
// per coverage.
func appendRoots(b []byte, roots []wire.Root, restricted bool) []byte {
	states := []string{wire.RootIndexing, wire.RootReconciling, wire.RootLive, wire.RootSwept, wire.RootUnwatched, wire.RootDegraded, wire.RootOffline}
	count := make([]int, len(states))
	var live, swept, unreadable, offline int64
	for _, r := range roots {
		if i := slices.Index(states, r.State); i >= 0 {
			count[i]++
		}
		live += r.LiveDirs
		swept += r.SweptDirs
		unreadable += r.Unreadable
		offline += r.Offline
	}
	b = append(b, "# HELP indexd_roots Roots by state.\n# TYPE indexd_roots gauge\n"...)
	for i, s := range states {
		b = fmt.Appendf(b, "indexd_roots{state=%q} %d\n", s, count[i])
	}
	if restricted {
		return b
	}
	b = append(b, "# HELP indexd_root_directories Directories of all roots by how they are kept up to date.\n# TYPE indexd_root_directories gauge\n"...)
	return fmt.Appendf(b, "indexd_root_directories{coverage=\"live\"} %d\nindexd_root_directories{coverage=\"swept\"} %d\nindexd_root_directories{coverage=\"unreadable\"} %d\nindexd_root_directories{coverage=\"offline\"} %d\n",
		live, swept, unreadable, offline)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
