package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"indexd/store"
)

const (
	// maxJobs may run at once; whoever asks for one more waits. Each takes about 1 KB.
	maxJobs = 16384
	// keptJobs that have ended can still be asked about.
	keptJobs = 1000
)

// ErrNoJob is returned for the id of a job that never was, or that ended so long ago that
// it was forgotten.
var ErrNoJob = errors.New("no such job")

// A History has the jobs that run and the last ones that have ended. Its methods may be
// called from any goroutine.
type History struct {
	room    *semaphore.Weighted
	present func(path string) error
	forget  func(id uint64)

	mu   sync.Mutex
	byID map[uint64]*Job
	past []uint64 // ended, oldest first
	next uint64   // the first id that was never given
}

// nextJobKey is the key in the store's settings of the first id that was never given. An
// id is not given twice, so that whoever asks for a job after a restart does not get
// somebody else's.
var nextJobKey = []byte("next_job")

// NewHistory returns the history of the jobs of st. present returns nil if the index has
// an entry for a path that was listed, else why not. forget is called with the id of a
// job that has ended and need not be resumed any more: Forget is to be called in a
// transaction. It must not block.
func NewHistory(st *store.Store, present func(path string) error, forget func(id uint64)) (*History, error) {
	h := &History{room: semaphore.NewWeighted(maxJobs), byID: make(map[uint64]*Job), present: present, forget: forget}
	err := st.View(func(sn *store.Snap) error {
		_, err := sn.Value(store.Settings, nextJobKey, &h.next)
		return err
	})
	h.next = max(h.next, 1)
	return h, err
}

// Reserve waits while too many jobs run. It is called before Add.
func (h *History) Reserve(ctx context.Context) error {
	if h.room.Acquire(ctx, 1) != nil {
		return context.Cause(ctx)
	}
	return nil
}

// Add adds a new job of a user. With follow, the job's events are kept from its start for
// the first call of Follow.
func (h *History) Add(uid uint32, paths []string, follow bool) *Job {
	j := New(paths)
	if follow {
		j.keepEvents()
	}
	h.add(j, 0, uid)
	return j
}

// add adds a job as id, 0 for the next one.
func (h *History) add(j *Job, id uint64, uid uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id == 0 {
		id = h.next
	}
	h.next = max(h.next, id+1)
	j.history, j.info.ID, j.info.UID = h, id, uid
	h.byID[id] = j
}

// ended is called under the job's mu.
func (h *History) ended(j *Info) {
	h.mu.Lock()
	h.past = append(h.past, j.ID)
	if len(h.past) > keptJobs {
		delete(h.byID, h.past[0])
		h.past = slices.Delete(h.past, 0, 1)
	}
	h.mu.Unlock()
	h.room.Release(1)
	if !j.Interrupted {
		h.forget(j.ID)
	}
}

func (h *History) job(id uint64) (*Job, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if j := h.byID[id]; j != nil {
		return j, nil
	}
	return nil, ErrNoJob
}

func (h *History) list() []*Job {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]*Job, 0, len(h.byID))
	for _, j := range h.byID {
		list = append(list, j)
	}
	slices.SortFunc(list, func(a, b *Job) int { return cmp.Compare(a.info.ID, b.info.ID) })
	return list
}

// All returns all jobs by id.
func (h *History) All() (list []Info) {
	for _, j := range h.list() {
		list = append(list, j.Info())
	}
	return list
}

// Get returns one job, or ErrNoJob.
func (h *History) Get(id uint64) (Info, error) {
	j, err := h.job(id)
	if err != nil {
		return Info{}, err
	}
	return j.Info(), nil
}

// Cancel ends a job at once; what other jobs want goes on. A job that has ended stays as
// it is. It may return ErrNoJob.
func (h *History) Cancel(id uint64) error {
	j, err := h.job(id)
	if err != nil {
		return err
	}
	j.Cancel()
	return nil
}

// Follow is Job.Follow of the job with an id; it may also return ErrNoJob.
func (h *History) Follow(ctx context.Context, id uint64, fn func(Event) error) error {
	j, err := h.job(id)
	if err != nil {
		return err
	}
	return j.Follow(ctx, fn)
}

// Interrupt ends every job because the daemon stops.
func (h *History) Interrupt() {
	for _, j := range h.list() {
		j.Interrupt()
	}
}

// storedJob is a job as the store keeps it until it has ended.
type storedJob struct {
	Paths [][]byte // bytes, since a path need not be UTF-8
	UID   *uint32  // of whoever asked; nil: it is not known
}

// Save stores a job, so that it is resumed if the daemon stops before its end, with those
// of its paths that are to be listed then.
func (h *History) Save(tx *store.Tx, j *Job, paths []string) error {
	h.mu.Lock()
	next, s := h.next, storedJob{UID: &j.info.UID}
	h.mu.Unlock()
	for _, p := range paths {
		s.Paths = append(s.Paths, []byte(p))
	}
	if err := tx.PutValue(store.Settings, nextJobKey, next); err != nil {
		return err
	}
	return tx.PutValue(store.Jobs, store.JobKey(j.info.ID), s)
}

// Forget removes what Save stored.
func Forget(tx *store.Tx, id uint64) error { return tx.DeleteValue(store.Jobs, store.JobKey(id)) }

// Resume adds the jobs that a stop or a crash interrupted. ownUID stands for users that
// are not known.
func (h *History) Resume(sn *store.Snap, ownUID uint32) (list []*Job) {
	for key, value := range sn.Values(store.Jobs) {
		var s storedJob
		if json.Unmarshal(value, &s) != nil || !h.room.TryAcquire(1) {
			continue // a damaged job: its paths are unknown
		}
		uid, paths := ownUID, []string(nil)
		for _, p := range s.Paths {
			paths = append(paths, string(p))
		}
		if s.UID != nil {
			uid = *s.UID
		}
		j := New(paths)
		h.add(j, store.JobID(key), uid)
		list = append(list, j)
	}
	return list
}
