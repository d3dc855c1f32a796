package server

import (
	"context"

	"indexd/internal/access"
	"indexd/internal/query/exec"
	"indexd/ipc/wire"
)

// Peer is the process at the other end of a connection, as of the moment when it
// connected, according to the kernel.
type Peer struct {
	access.Credentials // its user and all its groups
	PID                int32
}

// Daemon does the work. Its methods must be safe for concurrent use and return soon after
// ctx is done, because the client has gone or the daemon is stopping; in the latter case
// the cause of ctx is wire.ErrStopping. The client gets an error that is a *wire.Problem
// unchanged, and any other error as an internal one.
type Daemon interface {
	// Find sends the matching entries to sink, page by page: rows until Sink.Full, which may
	// be inside a read transaction, and then, outside of it, Sink.Flush. An error after the
	// first Flush goes into the trailer. The server flushes the last page and sets
	// Trailer.Error, and Trailer.Count if it is zero. A wait for req.Sync belongs between
	// Waiting and its resume.
	Find(ctx context.Context, p Peer, req *wire.FindRequest, sink exec.Sink) (wire.Trailer, error)
	// Rescan starts a job and does not wait for it, even with req.Wait. The job continues
	// after ctx is done.
	Rescan(ctx context.Context, p Peer, req *wire.RescanRequest) (wire.Job, error)
	// Jobs returns the running jobs and then the recently finished ones, newest first.
	Jobs(ctx context.Context, p Peer) ([]wire.Job, error)
	// Job returns a job, or wire.ErrNotFound.
	Job(ctx context.Context, p Peer, id uint64) (wire.Job, error)
	// FollowJob calls event for what happens until the job has ended, and finally with
	// JobEvent.End. It calls event from one goroutine at a time. event blocks while the
	// reader does, and the job must not wait for it: events with a JobDir or Progress are
	// dropped meanwhile, a PathResult and the end are kept. FollowJob returns an error of
	// event.
	FollowJob(ctx context.Context, p Peer, id uint64, event func(*wire.JobEvent) error) error
	// Cancel cancels a job and returns it. It does not change a job that has ended.
	Cancel(ctx context.Context, p Peer, id uint64) (wire.Job, error)
	Status(ctx context.Context, p Peer) (wire.Status, error)
	// Wait returns when the daemon is ready, or if ready is false, when it is ready and no
	// directory is pending.
	Wait(ctx context.Context, p Peer, ready bool) error
	// Explain returns what is known about an absolute path of any bytes.
	Explain(ctx context.Context, p Peer, path string) (wire.Explanation, error)
	// Check calls each for every difference. each blocks while the reader does, so it must
	// not be called within a transaction. The server sets CheckResult.Error.
	Check(ctx context.Context, p Peer, req *wire.CheckRequest, each func(*wire.Difference) error, progress func(wire.CheckResult) error) (wire.CheckResult, error)
}
