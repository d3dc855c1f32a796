package storm

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// SmallQueue has the kernel keep no more than n unread events for each inotify
// instance that is made while do runs, which is to be short: it is so for the
// whole machine. It skips the test where that cannot be had.
func SmallQueue(t testing.TB, n int, do func()) {
	t.Helper()
	const setting = "/proc/sys/fs/inotify/max_queued_events"
	// One at a time, since each puts back what it found.
	lock, err := os.OpenFile(setting, os.O_RDWR, 0)
	if err != nil {
		t.Skip("a small queue of events: ", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Skip("a small queue of events: ", err)
	}
	was, err := os.ReadFile(setting)
	if err != nil {
		t.Fatal(err)
	}
	set := func(value string) error { return os.WriteFile(setting, []byte(value), 0o644) }
	defer func() {
		if err := set(strings.TrimSpace(string(was))); err != nil {
			t.Error(err)
		}
	}()
	if err := set(fmt.Sprint(n)); err != nil {
		t.Skip("a small queue of events: ", err)
	}
	do()
}
