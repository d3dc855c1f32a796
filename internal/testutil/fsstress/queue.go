package fsstress

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// queueSetting is the length of the event queue of inotify instances created from then
// on, for the whole machine. Tests that change it lock it exclusively and tests that
// depend on it lock it shared, since packages are tested in parallel.
const queueSetting = "/proc/sys/fs/inotify/max_queued_events"

// locked calls do with queueSetting locked, or returns why it cannot.
func locked(flags, how int, do func()) error {
	lock, err := os.OpenFile(queueSetting, flags, 0)
	if err != nil {
		return err
	}
	defer lock.Close()
	for {
		if err = syscall.Flock(int(lock.Fd()), how); err != syscall.EINTR {
			break
		}
	}
	if err == nil {
		do()
	}
	return err
}

// SmallQueue limits the queue of all inotify instances created while do runs to n events.
// do should be short. The test is skipped if that is not possible.
func SmallQueue(t testing.TB, n int, do func()) {
	t.Helper()
	err := locked(os.O_RDWR, syscall.LOCK_EX, func() {
		was, err := os.ReadFile(queueSetting)
		if err != nil {
			t.Fatal(err)
		}
		set := func(value string) error { return os.WriteFile(queueSetting, []byte(value), 0o644) }
		defer func() {
			if err := set(strings.TrimSpace(string(was))); err != nil {
				t.Error(err)
			}
		}()
		if err := set(fmt.Sprint(n)); err != nil {
			t.Skip("a small queue of events: ", err)
		}
		do()
	})
	if err != nil {
		t.Skip("a small queue of events: ", err)
	}
}

// UsualQueue calls do while no SmallQueue is in effect. It is for tests that rely on not
// overflowing a queue, and only for creating the instance.
func UsualQueue(t testing.TB, do func()) {
	t.Helper()
	if locked(os.O_RDONLY, syscall.LOCK_SH, do) != nil {
		do() // if it cannot be opened, nobody here can change it either
	}
}

// QueueSize returns the length of the queue without SmallQueue. The test is skipped if
// that is more than a test may fill.
func QueueSize(t testing.TB) (n int) {
	t.Helper()
	UsualQueue(t, func() {
		text, err := os.ReadFile(queueSetting)
		if err == nil {
			n, err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		if err != nil {
			t.Skip("how many events the kernel keeps: ", err)
		}
	})
	if n > 1<<17 {
		t.Skipf("the kernel keeps %d events", n)
	}
	return n
}
