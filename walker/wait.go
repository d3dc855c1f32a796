package walker

import "context"

// wait is Result.Wait.
func (h *hand) wait(j *Job) (JobStats, error) {
	if h == nil || h.job.pool != j.pool {
		return j.Wait(context.Background())
	}
	p, w := j.pool, h.worker
	p.mu.Lock()
	defer p.mu.Unlock()
	if !j.ended && j.reaches(h.job) {
		return j.statsLocked(), ErrCycle
	}
	if h.job.awaits == nil {
		h.job.awaits = map[*Job]int{}
	}
	h.job.awaits[j]++
	if j.waiting++; j.waiting == 1 {
		p.awaited[j] = struct{}{}
	}
	defer func() {
		if j.waiting--; j.waiting == 0 {
			delete(p.awaited, j)
		}
		if h.job.awaits[j]--; h.job.awaits[j] == 0 {
			delete(h.job.awaits, j)
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
