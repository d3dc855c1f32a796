package walker

import "indexd/listing"

// Priority orders jobs: as long as one of a higher priority has directories
// queued, none of a lower one is begun. Jobs of one priority take turns.
type Priority int

// From the least urgent to the most.
const (
	Sweep  Priority = iota // looking again at what nothing watches; reads the disk when nobody else does
	Resume                 // what an earlier run left undone, a first index
	Event                  // something changed
	Asked                  // somebody waits for it
	priorities
)

// Spec says what a job is to do.
type Spec struct {
	// Dirs to begin with: absolute and clean paths. They are opened without
	// following a symbolic link at any component. The order given is the order
	// in which they are begun.
	Dirs     []string
	Priority Priority
	// Held lets the job begin with a hold on it, to be given back by
	// Job.Release: for a job that is to be fed by Add from the outside.
	Held bool
	// Visit is called on a worker, once a directory, or once a part of a large
	// one (each part once the call before has returned, perhaps on another
	// worker), or with Err set. For each directory that was begun (see Admit)
	// there is exactly one call that is the last of it: with Listing.Last or
	// with Err. (Only where Visit panics it is called once more, with Err set to
	// a *PanicError.)
	//
	// It returns the names of the children to list next, nil for none; they are
	// listed in the order given, before anything queued earlier. The Result and
	// all that is in it is valid until Visit returns.
	//
	// Visit may block (that is back-pressure: its worker is not free
	// meanwhile), submit jobs, Add to its own, and wait for another job by
	// Result.Wait and by no other means.
	Visit func(*Result) (descend []string)
	// Admit, if not nil, is called on the worker just before a directory is
	// opened, once for each time that it was queued. false: not now; the
	// directory is dropped without a call of Visit, whoever refused it will Add
	// it again.
	Admit func(dir string) bool
	// Opened, if not nil, is called on the worker when a directory that passed
	// Admit is open, once, before any name in it is read: what changes from then
	// on and is not in the listing, nor in its Dir, which is looked at again, is for
	// the caller to see. dev is its device, major<<32|minor; st is valid during the
	// call.
	Opened func(dir string, dev uint64, st *listing.Stat)
	// Done, if not nil, is called once when the job has ended, with what
	// Job.Wait returns, on a goroutine of the pool that serves one Done after
	// the other; never inside a call of Submit, Stop or Cancel. Close waits for
	// it.
	Done func(JobStats, error)
}

// Result is what was found in one directory.
type Result struct {
	Worker int  // 0 to Options.Workers-1
	Job    *Job // that the directory belongs to
	Dir    string
	// Listing is nil where Err is not.
	*listing.Listing
	// Err is why the directory, or the rest of it, could not be listed: an error
	// of the file system (a *fs.PathError: errors.Is with fs.ErrNotExist and
	// syscall's numbers), ErrStuck, ErrReplaced, ErrTooLarge, a *PanicError, or
	// ErrCancelled where the job was cancelled with the directory in hand.
	Err error

	assignment *assignment
}

// Wait waits for another job from inside Visit, with what Job.Wait returns.
// The worker does not idle meanwhile: it works off the job's directories
// itself, so that work may wait for work at any depth with one worker only.
// ErrCycle where that could never end, ErrCancelled when the caller's own job is
// cancelled meanwhile. To be called on the goroutine that called Visit.
func (r *Result) Wait(j *Job) (JobStats, error) {
	return r.assignment.wait(j)
}

// JobStats says how far a job is, or how it ended.
type JobStats struct {
	Dirs    int64 // listed to the end
	Entries int64 // found in them
	Errors  int64 // directories that ended with an error
	// FirstErrors are some of them, at most MaxErrors, the first first.
	FirstErrors []DirError
	Queued      int // directories known and not begun
	InHand      int // directories begun and not done
}

// MaxErrors is how many errors a job keeps by name.
const MaxErrors = 64

// DirError is a directory and why it could not be listed.
type DirError struct {
	Dir string
	Err error
}

// Stats says what a pool is doing.
type Stats struct {
	Workers int // configured
	Busy    int // have a directory in hand
	Queued  int // directories of all jobs
	Jobs    int // that have not ended
	Stuck   int // workers in a system call that does not return
}
