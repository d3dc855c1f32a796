package fsstress

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// queueSetting is how many unread events the kernel keeps for an inotify instance
// that is made now: one number for the whole machine. Who changes it has a lock on
// it, who depends on it a shared one, since packages are tested beside each other.
const queueSetting = "/proc/sys/fs/inotify/max_queued_events"

// locked has do run with queueSetting open and locked, or returns why it cannot.
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

// SmallQueue has the kernel keep no more than n unread events for each inotify
// instance that is made while do runs, which is to be short. It skips the test where
// that cannot be had.
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

// UsualQueue has do run while no SmallQueue is wanted: for tests that count on it
// that what they do makes no queue overflow. It is for making an instance, no longer.
func UsualQueue(t testing.TB, do func()) {
	t.Helper()
	if locked(os.O_RDONLY, syscall.LOCK_SH, do) != nil {
		do() // who cannot even look at it cannot change it, nor can others here
	}
}

// QueueSize is how many unread events are kept where there is no SmallQueue. It skips
// the test where they are more than a test may make.
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
