package watch

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	limits := Limits{Watches: 10}
	s, dir := open(t, Options{Share: 50, Limits: func() (Limits, error) { return limits, nil }})
	var gone []string
	s.OnEvict(func(dir string, _ time.Time) { gone = append(gone, dir[len(dir)-1:]) })
	start(t, s)
	for i := range 10 {
		mkdir(t, fmt.Sprintf("%s/%d", dir, i))
	}
	path := func(i int) string { return fmt.Sprintf("%s/%d", dir, i) }
	at := func(i int, changed int64) {
		t.Helper()
		_, err := s.Watch(path(i), Ident{}, time.Unix(changed, 0))
		if want := !s.Watched(path(i)); errors.Is(err, ErrBudget) != want {
			t.Errorf("%d: %v", i, err)
		}
	}
	watched := func(want, wantGone string) {
		t.Helper()
		got := ""
		for i := range 10 {
			if s.Watched(path(i)) {
				got += fmt.Sprint(i)
			}
		}
		if g := strings.Join(gone, ""); got != want || g != wantGone {
			t.Errorf("%s are watched, %s were given up; want %s, %s", got, g, want, wantGone)
		}
	}
	for i := range 5 {
		at(i, int64(1000-i))
	}
	at(5, 996) // as long ago as the coldest, and longer
	at(6, 1)
	watched("01234", "")
	if st := s.Status(); st != (Status{Watches: 5, Budget: 5, Limit: 10}) {
		t.Errorf("%+v", st)
	}
	at(4, 0) // again costs nothing
	write(t, dir+"/4/f")
	s.sync(t)
	at(5, 2000) // instead of 3, not of 4, which changed since
	watched("01245", "3")
	write(t, dir+"/3/f", dir+"/5/f")
	if b := s.sync(t); b.says(dir+"/3/f", Named) || !b.says(dir+"/5/f", Named) {
		t.Errorf("%+v", b)
	}
	if _, err := s.Watch(dir, Ident{}, Pinned); err != nil {
		t.Error(err)
	}
	for i := 6; i < 10; i++ {
		if _, err := s.Watch(path(i), Ident{}, time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
	}
	watched("6789", "32104"+"5")
	at(0, time.Now().Unix())
	if !s.Watched(dir) || s.Status().Watches != 5 {
		t.Error("what is always to be watched is not")
	}
	s.Unwatch(path(9))
	// A raised limit is noticed after a while.
	limits.Watches = 100
	at(1, 1)
	at(2, 1)
	watched("1678", "321045")
	s.ops.Lock()
	s.budget.checkedAt = s.budget.checkedAt.Add(-budgetAge)
	s.ops.Unlock()
	at(2, 1)
	watched("12678", "321045")
}

func TestBudgetOfNothing(t *testing.T) {
	s, dir := open(t, Options{Limits: func() (Limits, error) { return Limits{}, nil }})
	start(t, s)
	if _, err := s.Watch(dir, Ident{}, time.Time{}); !errors.Is(err, ErrBudget) {
		t.Error(err)
	}
	s.sync(t)
}

func TestBudgetOfMemory(t *testing.T) {
	var b budget
	b.share = 80
	for _, c := range []struct {
		l    Limits
		want int64
	}{
		{Limits{Watches: 1000}, 800},
		{Limits{Watches: 1_000_000, Memory: 64 << 20}, 64 << 20 / memoryShare / watchMemory},
		{Limits{Watches: 1000, Memory: 64 << 20}, 800},
	} {
		if err := b.read(func() (Limits, error) { return c.l, nil }); err != nil || b.allowed.Load() != c.want {
			t.Errorf("%+v: %d, want %d (%v)", c.l, b.allowed.Load(), c.want, err)
		}
	}
	if l, err := SystemLimits(); err != nil || l.Watches <= 0 {
		t.Errorf("%+v %v", l, err)
	}
}

func TestNeeded(t *testing.T) {
	for _, c := range []struct{ dirs, share, least int }{{1, 80, 1}, {40_000, 80, 50_000}, {819, 80, 1024}, {820, 80, 1025}, {7, 100, 7}} {
		n := Needed(c.dirs, c.share)
		if n < c.least || n*c.share/100 < c.dirs || n-c.least > 1024 {
			t.Errorf("%d directories at %d %%: %d", c.dirs, c.share, n)
		}
	}
}

// The real limits of the kernel, in a namespace with low ones.
func init() {
	inside["limits"] = func() {
		dir := os.Getenv("WATCH_TEST_DIR")
		limit := func(name, value string) bool {
			if err := os.WriteFile("/proc/sys/user/"+name, []byte(value), 0o644); err != nil {
				fmt.Println("skip:", err)
				return false
			}
			return true
		}
		if !limit("max_inotify_watches", "5") {
			return
		}
		s, err := Open(Options{BarrierDir: dir + "/cookies"})
		if err != nil {
			fmt.Println("open:", err)
			return
		}
		for i := range 6 {
			sub := fmt.Sprintf("%s/%d", dir, i)
			if err := os.Mkdir(sub, 0o755); err != nil {
				fmt.Println(err)
			}
			_, err := s.Watch(sub, Ident{}, time.Time{})
			if want := i >= 4; errors.Is(err, ErrBudget) != want {
				fmt.Printf("%d: %v\n", i, err)
			}
		}
		if st := s.Status(); st.Watches != 4 || st.Budget != 4 {
			fmt.Printf("%+v\n", st)
		}
		s.Unwatch(dir + "/0")
		if _, err := s.Watch(dir+"/5", Ident{}, time.Time{}); err != nil {
			fmt.Println("for another:", err)
		}
		if _, err := s.Watch(dir+"/4", Ident{}, time.Now()); err != nil || s.Status().Watches != 4 {
			fmt.Println("for one that changed later:", err, s.Status())
		}
		if limit("max_inotify_watches", "0") {
			if _, err := Open(Options{BarrierDir: dir + "/cookies"}); !errors.Is(err, ErrUnavailable) {
				fmt.Println("no watch at all:", err)
			}
		}
		if limit("max_inotify_instances", "0") {
			_, err := Open(Options{BarrierDir: dir + "/cookies"})
			if !errors.Is(err, ErrUnavailable) {
				fmt.Println("no instance:", err)
			}
		}
		if err := s.Close(); err != nil {
			fmt.Println(err)
		}
	}
}

func TestKernelLimits(t *testing.T) { inNamespaces(t, "limits") }
