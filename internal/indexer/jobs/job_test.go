package jobs

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"indexd/ipc/wire"
	"indexd/walker"
)

// fakeTask is a Task that the test ends.
type fakeTask struct {
	stats walker.JobStats
	begun bool
	left  []User
}

func (t *fakeTask) Stats() (walker.JobStats, bool) { return t.stats, t.begun }
func (t *fakeTask) Leave(u User)                   { t.left = append(t.left, u) }

// events returns the events of a job that has ended, in words.
func events(t *testing.T, j *Job) (list []string) {
	t.Helper()
	err := j.Follow(t.Context(), func(e Event) error {
		switch {
		case e.Dir != nil:
			list = append(list, e.Dir.Dir)
		case e.Path != nil:
			list = append(list, fmt.Sprintf("%s %s", e.Path.Path, e.Path.State))
		case e.End != nil:
			list = append(list, fmt.Sprintf("end %s", e.End.State))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A task may serve several paths of a job; a path that is refused fails, and the job with it.
func TestJobEndsWithItsTasks(t *testing.T) {
	j := New([]string{"/a", "/b", "/c"})
	j.keepEvents()
	shared := &fakeTask{stats: walker.JobStats{Dirs: 2, Entries: 5, Queued: 7}, begun: true}
	j.Attach(0, shared)
	j.Attach(2, shared)
	j.Refuse(1, ErrNotIndexed)
	j.Attached()
	info := j.Info()
	if info.State != wire.JobRunning || info.Paths[0].State != wire.JobRunning || info.Paths[2].Entries != 5 || info.Queued != 14 {
		t.Errorf("while it runs: %+v", info)
	}
	j.DirListed(1, "/a/x", 3)
	j.TaskEnded(shared, shared.stats, nil)
	if got, want := fmt.Sprint(events(t, j)), "[/b failed /a/x /a done /c done end failed]"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	// A later follower gets the results and the end.
	if got, want := fmt.Sprint(events(t, j)), "[/a done /b failed /c done end failed]"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	j.Cancel()
	if info := j.Info(); info.State != wire.JobFailed || len(shared.left) != 0 {
		t.Errorf("canceled after its end: %+v, left by %d", info, len(shared.left))
	}
}

// A canceled or interrupted job has ended at once and leaves its tasks.
func TestJobStops(t *testing.T) {
	for _, c := range []struct {
		name        string
		stop        func(*Job)
		state       wire.JobState
		interrupted bool
	}{
		{"cancel", (*Job).Cancel, wire.JobCancelled, false},
		{"interrupt", (*Job).Interrupt, wire.JobRunning, true},
	} {
		j, task := New([]string{"/a"}), &fakeTask{}
		j.Attach(0, task)
		j.Attached()
		c.stop(j)
		info := j.Info()
		if info.State != c.state || info.Interrupted != c.interrupted || info.Ended.IsZero() {
			t.Errorf("%s: %+v", c.name, info)
		}
		if len(task.left) != 1 || task.left[0] != User(j) {
			t.Errorf("%s: the task was left by %v", c.name, task.left)
		}
		j.TaskEnded(task, walker.JobStats{}, nil) // changes nothing any more
		if again := j.Info(); again.State != c.state {
			t.Errorf("%s: %+v", c.name, again)
		}
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	j := New([]string{"/a"})
	j.Attach(0, &fakeTask{})
	why := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if err := j.Follow(ctx, func(Event) error { return nil }); !errors.Is(err, why) {
		t.Error(err)
	}
	if len(j.followers) != 0 {
		t.Error("the follower was not removed")
	}
}
