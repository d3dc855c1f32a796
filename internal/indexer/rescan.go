package indexer

import (
	"context"
	"os"

	"indexd/internal/indexer/commit"
	"indexd/internal/indexer/jobs"
	"indexd/store"
	"indexd/walker"
)

// An Asker is the user who requests a rescan.
type Asker struct {
	UID uint32
	// May returns why the asker may not have a path listed again, which becomes the
	// path's result. Nil: all paths are permitted.
	May func(path string) error
}

func ownUID() uint32 { return uint32(os.Geteuid()) }

// Rescan lists paths again with all below them; no paths stand for every root. It returns
// once the job is stored, so that it survives a crash. A path that cannot be listed is a
// failed path of the job, and no error. Rescan blocks while too many jobs run. With
// follow, the caller is going to Follow the job and misses none of its events.
//
// A restart resumes only paths that the asker may have listed.
func (x *Indexer) Rescan(ctx context.Context, who Asker, paths []string, follow bool) (jobs.Info, error) {
	if len(paths) == 0 {
		paths = x.Roots()
	}
	if err := x.history.Reserve(ctx); err != nil {
		return jobs.Info{}, err
	}
	refused := make(map[int]error)
	var permitted []string
	for i, p := range paths {
		if who.May != nil {
			if why := who.May(p); why != nil {
				refused[i] = why
				continue
			}
		}
		permitted = append(permitted, p)
	}
	j := x.history.Add(who.UID, paths, follow)
	if err := x.writer.Update(ctx, func(tx *store.Tx) error { return x.history.Save(tx, j, permitted) }); err != nil {
		j.Cancel()
		return jobs.Info{}, err
	}
	x.startJob(j, walker.Asked, refused)
	return j.Info(), nil
}

// Jobs returns the rescans that run and the last ones that have ended.
func (x *Indexer) Jobs() *jobs.History { return x.history }

// forgetJob removes a job that has ended from the store.
func (x *Indexer) forgetJob(id uint64) {
	x.deferCall(func() {
		_ = x.writer.Put(x.ctx, commit.Item{Do: func(tx *store.Tx) error { return jobs.Forget(tx, id) }})
	})
}

// resumeJobs starts rescans again that a stop or a crash interrupted. What they had listed
// may have changed meanwhile.
func (x *Indexer) resumeJobs() error {
	var list []*jobs.Job
	err := x.st.View(func(sn *store.Snap) error {
		list = x.history.Resume(sn, ownUID())
		return nil
	})
	for _, j := range list {
		x.startJob(j, walker.Resume, nil)
	}
	return err
}
