package indexer

import (
	"sync"

	"indexd/walker"
)

// flights knows which directories are being listed, so that at most one
// listing of a directory is under way (rule 4 of docs/architecture.md): whoever
// wants another meanwhile gets it when this one has been handed to the writer.
type flights struct {
	mu sync.Mutex
	m  map[string][]again // by path; present: in flight
}

// again is somebody who wants a directory listed once more.
type again struct {
	job     *walker.Job
	release func() // lets the job end
}

// begin reports whether dir may be listed now. If not, job is kept open and
// dir is added to it again when the listing under way has ended.
func (f *flights) begin(dir string, job *walker.Job) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting, busy := f.m[dir]
	if !busy {
		f.m[dir] = nil
		return true
	}
	for _, a := range waiting {
		if a.job == job {
			return false
		}
	}
	f.m[dir] = append(waiting, again{job, job.Hold()})
	return false
}

// try reports whether dir may be looked at now, until end.
func (f *flights) try(dir string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, busy := f.m[dir]; busy {
		return false
	}
	f.m[dir] = nil
	return true
}

// end says that dir's listing is with the writer.
func (f *flights) end(dir string) {
	f.mu.Lock()
	waiting := f.m[dir]
	delete(f.m, dir)
	f.mu.Unlock()
	for _, a := range waiting {
		// An error means that the job was cancelled meanwhile: nobody waits.
		_ = a.job.Add(dir)
		a.release()
	}
}
