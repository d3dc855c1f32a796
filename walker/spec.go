package walker

import "indexd/listing"

// Priority orders jobs: as long as a job of a higher priority has directories queued,
// none of a lower priority begins. Jobs of the same priority take turns.
type Priority int

// Priorities, from the least urgent to the most urgent.
const (
	Sweep  Priority = iota // periodic check of what is not watched; reads the disk at idle priority
	Resume                 // work left by an earlier run, or a first index
	Event                  // something changed
	Asked                  // a client waits for it
	priorities
)

// Spec describes a job.
type Spec struct {
	// Dirs are the directories to begin with, by absolute clean paths. They are begun in
	// the order given.
	Dirs     []string
	Priority Priority
	// Held makes the job begin with a hold on it, which Job.Release drops. It is meant
	// for jobs that get their directories by Add.
	Held bool
	// Visit is called on a worker once for each directory, once for each part of a large
	// one (after the previous call has returned, possibly on another worker), or with
	// Err set. For each directory that was begun (see Admit), exactly one call is the
	// last: it has Listing.Last or Err set. Only if Visit panics is it called once more,
	// with Err set to a *PanicError.
	//
	// It returns the names of the children to list next, or nil. They are listed in the
	// order given, before anything queued earlier. The Result and everything in it is
	// valid until Visit returns.
	//
	// Visit may block, which slows the job down since its worker is not free meanwhile.
	// It may submit jobs and Add to its own. To wait for another job it must use
	// Result.Wait.
	Visit func(*Result) (descend []string)
	// Admit, if not nil, is called on the worker just before a directory is opened, once
	// for each time that it was queued. If it reports false, the directory is dropped
	// without a call of Visit; the caller is expected to Add it again later.
	Admit func(dir string) bool
	// Opened, if not nil, is called on the worker once a directory that passed Admit is
	// open, before any name is read. The caller must detect changes made from then on
	// itself, if they are neither in the listing nor in its Dir, which is read again
	// after the call. dev is the device, major<<32|minor; st is valid during the call.
	Opened func(dir string, dev uint64, st *listing.Stat)
	// Done, if not nil, is called once when the job has ended, with the results of
	// Job.Wait, on a goroutine of the pool that calls one Done after the other. It is
	// never called from within Submit, Stop or Cancel. Close waits for it.
	Done func(JobStats, error)
}

// Result is what was found in one directory.
type Result struct {
	Worker int  // 0 to Options.Workers-1
	Job    *Job // that the directory belongs to
	Dir    string
	// Listing is nil if Err is not.
	*listing.Listing
	// Err is the reason why the directory, or the rest of it, could not be listed: an
	// error of the file system (a *fs.PathError, for which errors.Is works with
	// fs.ErrNotExist and the numbers of package syscall), ErrStuck, ErrReplaced,
	// ErrTooLarge, a *PanicError, or ErrCancelled if the job was cancelled while the
	// directory was being processed.
	Err error

	assignment *assignment
}

// Wait waits for another job from inside Visit and returns the results of Job.Wait. The
// worker is not idle meanwhile: it processes the directories of that job itself, so that
// jobs may wait for jobs to any depth, even with a single worker. It returns ErrCycle if
// that could never end, and ErrCancelled if the caller's own job is cancelled meanwhile.
// It must be called on the goroutine that called Visit.
func (r *Result) Wait(j *Job) (JobStats, error) {
	return r.assignment.wait(j)
}

// JobStats is the progress of a job, or its final result.
type JobStats struct {
	Dirs    int64 // listed completely
	Entries int64 // found in them
	Errors  int64 // directories that ended with an error
	// FirstErrors are the first of these errors, at most MaxErrors.
	FirstErrors []DirError
	Queued      int // directories known but not begun
	InHand      int // directories begun but not done
}

// MaxErrors is how many errors a job keeps.
const MaxErrors = 64

// DirError is a directory and the reason why it could not be listed.
type DirError struct {
	Dir string
	Err error
}

// Stats is the state of a pool.
type Stats struct {
	Workers int // configured
	Busy    int // processing a directory
	Queued  int // directories of all jobs
	Jobs    int // not ended
	Stuck   int // workers in a system call that does not return
}
