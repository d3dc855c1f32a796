package walker

import "context"

// wait is Result.Wait.
func (h *assignment) wait(j *Job) (JobStats, error) {
	if h == nil || h.job.pool != j.pool {
		return j.Wait(context.Background())
	}
	p, w := j.pool, h.worker
	p.mu.Lock()
	defer p.mu.Unlock()
	if !j.ended && j.reaches(h.job) {
		return j.statsLocked(), ErrCycle
	}
	if h.job.waitsFor == nil {
		h.job.waitsFor = map[*Job]int{}
	}
	h.job.waitsFor[j]++
	if j.waiters++; j.waiters == 1 {
		p.awaited[j] = struct{}{}
	}
	defer func() {
		if j.waiters--; j.waiters == 0 {
			delete(p.awaited, j)
		}
		if h.job.waitsFor[j]--; h.job.waitsFor[j] == 0 {
			delete(h.job.waitsFor, j)
		}
	}()
	for !j.ended {
		if h.job.cancelled.Load() {
			return j.statsLocked(), ErrCancelled
		}
		if l := p.nextOf(j); l != nil {
			w.serve(l)
		} else {
			j.changed.Wait()
		}
	}
	return j.statsLocked(), j.err
}
