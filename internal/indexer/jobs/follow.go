package jobs

import (
	"context"

	"indexd/ipc/wire"
)

// A follower reads a job's events at its own pace. Events that it has not read are kept up
// to followerEvents; events about directories beyond that are dropped and counted. All is
// guarded by the job's mu.
type follower struct {
	wake   chan struct{} // capacity 1
	events []Event
	unread int // events, and those taken but not yet passed to fn
	lost   int
}

const followerEvents = 4096

func (j *Job) publishLocked(e Event) {
	for f := range j.followers {
		if e.Dir != nil && f.unread >= followerEvents {
			f.lost++
			continue
		}
		e.Lost, f.lost = f.lost, 0
		f.unread++
		f.events = append(f.events, e)
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// keepEvents keeps the job's events from its start for its first follower. It is called
// before the job runs.
func (j *Job) keepEvents() {
	j.first = &follower{wake: make(chan struct{}, 1)}
	j.followers = map[*follower]struct{}{j.first: {}}
}

func (j *Job) addFollower() *follower {
	j.mu.Lock()
	defer j.mu.Unlock()
	if f := j.first; f != nil {
		j.first = nil
		return f
	}
	f := &follower{wake: make(chan struct{}, 1)}
	if j.followers == nil {
		j.followers = make(map[*follower]struct{})
	}
	j.followers[f] = struct{}{}
	for _, p := range j.info.Paths {
		if p.State == wire.JobDone || p.State == wire.JobFailed {
			f.events = append(f.events, Event{Path: &p})
		}
	}
	if !j.info.Ended.IsZero() {
		end := j.copyLocked()
		f.events = append(f.events, Event{End: &end})
	}
	f.unread = len(f.events)
	return f
}

// Follow calls fn with the job's events, first those of paths that have ended already,
// and returns after the End event, or with fn's error or ctx's.
func (j *Job) Follow(ctx context.Context, fn func(Event) error) error {
	f := j.addFollower()
	defer func() {
		j.mu.Lock()
		delete(j.followers, f)
		j.mu.Unlock()
	}()
	for {
		j.mu.Lock()
		events := f.events
		f.events = nil
		j.mu.Unlock()
		for _, e := range events {
			if err := fn(e); err != nil || e.End != nil {
				return err
			}
			j.mu.Lock()
			f.unread--
			j.mu.Unlock()
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-f.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
