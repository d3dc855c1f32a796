package indexer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"indexd/internal/indexer/commit"
	"indexd/store"
	"indexd/walker"
)

const (
	// maxJobs under way at once; who asks for one more waits. Each costs about
	// 1 KB.
	maxJobs = 16384
	// keptJobs that have ended can still be asked about.
	keptJobs = 1000
)

// ErrNoJob is returned for a job id that was never given, or that ended so
// long ago that it was forgotten.
var ErrNoJob = errors.New("no such job")

// jobs are those under way and the last that ended.
type jobs struct {
	room *semaphore.Weighted

	mu   sync.Mutex
	byID map[uint64]*job
	past []uint64 // ended, oldest first
	next uint64
}

func newJobs(next uint64) *jobs {
	return &jobs{room: semaphore.NewWeighted(maxJobs), byID: make(map[uint64]*job), next: next}
}

// add registers a new job of a user over paths, as id, or as the next one where id
// is 0.
func (js *jobs) add(x *Indexer, kind Kind, id uint64, uid uint32, paths []string) *job {
	js.mu.Lock()
	defer js.mu.Unlock()
	if id == 0 {
		id = js.next
	}
	js.next = max(js.next, id+1)
	j := newJob(x, kind, id, paths)
	j.info.UID = uid
	js.byID[id] = j
	return j
}

// unused is the first id not yet given.
func (js *jobs) unused() uint64 {
	js.mu.Lock()
	defer js.mu.Unlock()
	return js.next
}

// ended moves a job to the past, where it is one that somebody asked for. Called under
// the job's mu.
func (js *jobs) ended(j *job, forgetStored bool) {
	js.mu.Lock()
	if j.info.Kind != Rescan {
		delete(js.byID, j.info.ID)
		js.mu.Unlock()
		return
	}
	js.past = append(js.past, j.info.ID)
	if len(js.past) > keptJobs {
		delete(js.byID, js.past[0])
		js.past = slices.Delete(js.past, 0, 1)
	}
	js.mu.Unlock()
	js.room.Release(1)
	if forgetStored {
		x, key := j.x, store.JobKey(j.info.ID)
		x.later(func() {
			_ = x.writer.Put(x.ctx, commit.Item{Do: func(tx *store.Tx) error { return tx.DeleteValue(store.Jobs, key) }})
		})
	}
}

func (js *jobs) get(id uint64) (*job, error) {
	js.mu.Lock()
	defer js.mu.Unlock()
	if j := js.byID[id]; j != nil {
		return j, nil
	}
	return nil, ErrNoJob
}

func (js *jobs) all() []*job {
	js.mu.Lock()
	defer js.mu.Unlock()
	list := make([]*job, 0, len(js.byID))
	for _, j := range js.byID {
		list = append(list, j)
	}
	return list
}

// nextJobKey is where the store's settings have the first id that no stored job
// ever bore: an id is not given twice, so that who asks for a job after a
// restart does not get another's.
var nextJobKey = []byte("next_job")

// storedJob is a rescan as it stands in the store until it has ended, so that
// a start after a crash begins it again.
type storedJob struct {
	Paths [][]byte // bytes: a path need not be UTF-8
	UID   *uint32  // of who asked; nil: it is not known
}

// Asker is who wants something listed again.
type Asker struct {
	UID uint32
	// May returns why it may not have a path listed again, which is the path's
	// result then; nil: it may have all.
	May func(path string) error
}

func ownUID() uint32 { return uint32(os.Geteuid()) }

// Rescan has paths listed again with all below them; no paths: every root. It
// returns when the job is stored, so that it survives a crash. What cannot be
// listed is a failed path of the job; no path at all that can be is no error
// either. It blocks while too many jobs are under way. follow: the caller is
// going to Follow the job and wants to miss none of its events.
func (x *Indexer) Rescan(ctx context.Context, paths []string, follow bool) (JobInfo, error) {
	return x.RescanFor(ctx, Asker{UID: ownUID()}, paths, follow)
}

// RescanFor is Rescan for somebody, who is remembered. A job that a restart begins
// again has only those paths that it might have listed.
func (x *Indexer) RescanFor(ctx context.Context, who Asker, paths []string, follow bool) (JobInfo, error) {
	if len(paths) == 0 {
		paths = x.Roots()
	}
	if err := x.jobs.room.Acquire(ctx, 1); err != nil {
		return JobInfo{}, context.Cause(ctx)
	}
	refused := make(map[int]error)
	stored := storedJob{UID: &who.UID}
	for i, p := range paths {
		if who.May != nil {
			if why := who.May(p); why != nil {
				refused[i] = why
				continue
			}
		}
		stored.Paths = append(stored.Paths, []byte(p))
	}
	j := x.jobs.add(x, Rescan, 0, who.UID, paths)
	if follow {
		j.expectFollower()
	}
	err := x.writer.Update(ctx, func(tx *store.Tx) error {
		if err := tx.PutValue(store.Settings, nextJobKey, x.jobs.unused()); err != nil {
			return err
		}
		return tx.PutValue(store.Jobs, store.JobKey(j.info.ID), stored)
	})
	if err != nil {
		j.cancel(Cancelled)
		return JobInfo{}, err
	}
	x.run(j, walker.Asked, refused)
	return j.snapshot(), nil
}

// run gives each path of a job its task, but for those that are refused.
func (x *Indexer) run(j *job, priority walker.Priority, refused map[int]error) {
	for i := range j.tasks {
		if why := refused[i]; why != nil {
			j.refuse(i, why)
			continue
		}
		alone, tree, err := x.plan(j.info.Paths[i].Path) // a Path never changes
		if err != nil {
			j.refuse(i, err)
			continue
		}
		t := &task{x: x, priority: priority, alone: alone, trees: []string{tree}}
		if r := x.rootAt(tree); r != nil {
			begun := x.startPass(r)
			t.ended = func(stats walker.JobStats, err error) {
				if err == nil {
					r.looked(stats)
					x.verified(r, begun)
				}
			}
		}
		if err := x.queue.submit(t, j, func(t *task) { j.attach(i, t) }); err != nil {
			j.finished(t, walker.JobStats{}, err)
		}
	}
	j.submitted()
}

// Jobs returns those under way and the last that ended, by id.
func (x *Indexer) Jobs() []JobInfo {
	var list []JobInfo
	for _, j := range x.jobs.all() {
		list = append(list, j.snapshot())
	}
	slices.SortFunc(list, func(a, b JobInfo) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Job returns one job; ErrNoJob.
func (x *Indexer) Job(id uint64) (JobInfo, error) {
	j, err := x.jobs.get(id)
	if err != nil {
		return JobInfo{}, err
	}
	return j.snapshot(), nil
}

// Cancel ends a job at once; what other jobs want goes on. A job that has
// ended already stays as it is. ErrNoJob.
func (x *Indexer) Cancel(id uint64) error {
	j, err := x.jobs.get(id)
	if err != nil {
		return err
	}
	j.cancel(Cancelled)
	return nil
}

// Follow calls fn with the job's events until it ends, with the End event as
// the last, and returns fn's error or ctx's. Events of paths that have ended
// before come first. ErrNoJob.
func (x *Indexer) Follow(ctx context.Context, id uint64, fn func(Event) error) error {
	j, err := x.jobs.get(id)
	if err != nil {
		return err
	}
	return j.follow(ctx, fn)
}

// resumeJobs begins those rescans again that a stop or a crash interrupted.
func (x *Indexer) resumeJobs() error {
	var list []*job
	err := x.st.View(func(sn *store.Snap) error {
		for key, value := range sn.Values(store.Jobs) {
			var s storedJob
			if json.Unmarshal(value, &s) != nil {
				continue // damaged: nobody knows any more what was asked
			}
			var paths []string
			for _, p := range s.Paths {
				paths = append(paths, string(p))
			}
			if x.jobs.room.TryAcquire(1) {
				uid := ownUID()
				if s.UID != nil {
					uid = *s.UID
				}
				list = append(list, x.jobs.add(x, Rescan, store.JobID(key), uid, paths))
			}
		}
		return nil
	})
	for _, j := range list {
		x.run(j, walker.Resume, nil)
	}
	return err
}
