package walker

import "context"

// wait implements Result.Wait.
func (a *assignment) wait(j *Job) (JobStats, error) {
	if a == nil || a.job.pool != j.pool {
		return j.Wait(context.Background())
	}
	p, w := j.pool, a.worker
	p.mu.Lock()
	defer p.mu.Unlock()
	if !j.ended && j.reaches(a.job) {
		return j.statsLocked(), ErrCycle
	}
	if a.job.waitsFor == nil {
		a.job.waitsFor = map[*Job]int{}
	}
	a.job.waitsFor[j]++
	if j.waiters++; j.waiters == 1 {
		p.awaited[j] = struct{}{}
	}
	defer func() {
		if j.waiters--; j.waiters == 0 {
			delete(p.awaited, j)
		}
		if a.job.waitsFor[j]--; a.job.waitsFor[j] == 0 {
			delete(a.job.waitsFor, j)
		}
	}()
	for !j.ended {
		if a.job.cancelled.Load() {
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
