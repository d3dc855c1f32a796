package server

import (
	"context"

	"indexd/internal/access"
	"indexd/internal/query/exec"
	"indexd/ipc/wire"
)

// Peer is the process at the other end, as the kernel told it of the moment at
// which it connected.
type Peer struct {
	access.Credentials        // its user, and all groups that it is in, GID included
	GID                uint32 // its effective group
	PID                int32
}

// Daemon does the work. Every method may be called by any number of goroutines
// at once, and must return soon after ctx is done: its client has gone, or the
// daemon is stopping (then context.Cause is ipc.ErrStopping). An *ipc.Problem
// is told to the client as it is, any other error as an internal one.
type Daemon interface {
	// Find gives the matching entries to sink, page by page: rows until
	// Sink.Full, which may be inside a read transaction, then, outside of it,
	// Sink.Flush. An error after the first Flush goes into the trailer. The
	// server flushes the last page, and sets Trailer.Error, and Trailer.Count
	// where it is zero. A wait for req.Sync belongs between Waiting and its
	// resume.
	Find(ctx context.Context, p Peer, req *wire.FindRequest, sink exec.Sink) (wire.Trailer, error)
	// Rescan starts a job; it does not wait for it, whatever req.Wait says. The
	// job goes on when ctx is done.
	Rescan(ctx context.Context, p Peer, req *wire.RescanRequest) (wire.Job, error)
	// Jobs are those under way, then those finished lately, newest first.
	Jobs(ctx context.Context, p Peer) ([]wire.Job, error)
	// Job is one of them; ipc.ErrNotFound.
	Job(ctx context.Context, p Peer, id uint64) (wire.Job, error)
	// FollowJob calls event with what happens until the job has ended, and
	// last with JobEvent.End; at once if it has ended long ago. event is not
	// called by two goroutines at once. It may block as long as the reader
	// does: the job must not wait for it, so a JobDir or Progress that finds
	// event busy is dropped, a PathResult and the end are kept. The error of
	// event ends FollowJob.
	FollowJob(ctx context.Context, p Peer, id uint64, event func(*wire.JobEvent) error) error
	// Cancel cancels a job and returns it; one that has ended is left as it is.
	Cancel(ctx context.Context, p Peer, id uint64) (wire.Job, error)
	Status(ctx context.Context, p Peer) (wire.Status, error)
	// Wait returns when the daemon is ready, or, if ready is false, also has
	// nothing pending.
	Wait(ctx context.Context, p Peer, ready bool) error
	// Explain tells what is known about an absolute path of any bytes.
	Explain(ctx context.Context, p Peer, path string) (wire.Explanation, error)
	// Check calls each with every difference; each may block as long as the
	// reader does, so it is not called within a transaction. The server sets
	// CheckResult.Error.
	Check(ctx context.Context, p Peer, req *wire.CheckRequest, each func(*wire.Difference) error, progress func(wire.CheckResult) error) (wire.CheckResult, error)
}
