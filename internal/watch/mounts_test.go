package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func init() {
	inside["mounts"] = func() {
		dir := os.Getenv("WATCH_TEST_DIR")
		if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			fmt.Println("skip:", err)
			return
		}
		if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
			fmt.Println("skip:", err)
			return
		}
		s, err := Open(Options{BarrierDir: dir + "/cookies"})
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := os.Mkdir(dir+"/m", 0o755); err != nil {
			fmt.Println(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		seen := "" // the table as it was when it was last told that it is another
		told := func(what string) {
			for ctx.Err() == nil {
				select {
				case <-s.Ready():
					if s.Take().Mounts {
						seen = mountsNow()
						return
					}
				case <-ctx.Done():
				}
			}
			fmt.Println("nothing was heard of", what)
		}
		try := func(what string, err error) {
			if err != nil {
				fmt.Println(what, err)
			}
		}
		told("the table as it is at first")
		// Each change is reported, however soon it follows another.
		for range 300 {
			try("mount", unix.Mount("none", dir+"/m", "tmpfs", 0, ""))
			for seen != mountsNow() && ctx.Err() == nil {
				told("a mount behind an unmount")
			}
			try("unmount", unix.Unmount(dir+"/m", 0))
		}
		for seen != mountsNow() && ctx.Err() == nil {
			told("the last unmount")
		}
		try("mount", unix.Mount("none", dir+"/m", "tmpfs", 0, ""))
		told("a mount")
		if _, err := s.Watch(dir+"/m", Ident{}, time.Time{}); err != nil {
			fmt.Println(err)
		}
		try("unmount", unix.Unmount(dir+"/m", 0)) // a watch does not keep it
		told("an unmount")
		s.UnwatchTree(dir + "/m")
		if _, err := s.Watch(dir+"/m", Ident{}, time.Time{}); err != nil {
			fmt.Println(err)
		}
		if err := os.WriteFile(dir+"/m/f", nil, 0o644); err != nil {
			fmt.Println(err)
		}
		if _, err := s.Barrier(ctx); err != nil {
			fmt.Println(err)
		}
		if b := s.Take(); !b.says(dir+"/m/f", Named) {
			fmt.Printf("below what was unmounted: %+v\n", b)
		}
		// A bind mount shows one directory at two paths, only one of which is watched.
		try("mkdir", os.Mkdir(dir+"/bind", 0o755))
		try("bind", unix.Mount(dir+"/m", dir+"/bind", "", unix.MS_BIND, ""))
		if _, err := s.Watch(dir+"/bind", Ident{}, time.Time{}); !errors.Is(err, ErrElsewhere) {
			fmt.Println("the other path:", err)
		}
		cancel()
		if err := <-ended; err != nil {
			fmt.Println(err)
		}
	}
}

func mountsNow() string {
	b, err := os.ReadFile(mountTable)
	if err != nil {
		fmt.Println(err)
	}
	return string(b)
}

// Mounting over a watched directory, and unmounting, raises no inotify event.
func TestMountTable(t *testing.T) { inNamespaces(t, "mounts") }

func TestLocal(t *testing.T) {
	for fs, want := range map[string]bool{
		"ext4": true, "btrfs": true, "xfs": true, "tmpfs": true, "overlay": true, "fuseblk": true, "vfat": true, "zfs": true,
		"nfs": false, "nfs4": false, "fuse": false, "fuse.sshfs": false, "cifs": false, "9p": false, "afs": false,
	} {
		if Local(fs) != want {
			t.Errorf("%s", fs)
		}
	}
}
