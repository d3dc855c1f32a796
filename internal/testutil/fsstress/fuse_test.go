package fsstress

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// The file system is as find(1) has it, waits when it hangs, and then goes on or
// fails.
func TestFS(t *testing.T) {
	dir := t.TempDir()
	f := MountFS(t, dir, "a/b/file", "empty/", "c")
	want := []string{"d a", "d a/b", "d empty", "f a/b/file", "f c"}
	if have := Find(t, dir, `%y %P\0`); !slices.Equal(have, want) {
		t.Errorf("%q", have)
	}
	for _, end := range []struct {
		do   func()
		want error
	}{{f.Resume, nil}, {f.Abort, unix.ENOTCONN}} {
		f.Hang()
		seen := make(chan error, 1)
		go func() {
			var st unix.Stat_t
			seen <- unix.Stat(dir+"/a", &st)
		}()
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}}, -1); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-seen:
			t.Fatal("it answers: ", err)
		default:
		}
		end.do()
		if err := <-seen; err != end.want && (end.want == nil || err != unix.ECONNABORTED) {
			t.Error(err)
		}
	}
}
