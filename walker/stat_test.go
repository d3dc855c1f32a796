package walker

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"indexd/listing"
)

// Stat returns for each name what a listing contains.
func TestStat(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		os.Mkdir(dir+"/d", 0o750), os.WriteFile(dir+"/f\xff\n", []byte("abc"), 0o640),
		os.Symlink("d", dir+"/l"), unix.Mkfifo(dir+"/p", 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	err = List(context.Background(), dir, func(l *listing.Listing) error {
		for _, want := range l.Entries {
			n++
			if e, err := Stat(dir, want.Name); err != nil || e != want {
				t.Errorf("%+v, %v; want %+v", e, err, want)
			}
		}
		return nil
	})
	if err != nil || n != 4 {
		t.Fatal(n, err)
	}
	for _, c := range []struct {
		dir, name string
		want      error
	}{
		{dir, "none", fs.ErrNotExist}, {dir + "/none", "f", fs.ErrNotExist}, {dir + "/l", "f", unix.ENOTDIR},
		{dir + "/l/..", "d", unix.ELOOP}, {dir, "", unix.EINVAL}, {dir, "d/..", unix.EINVAL}, {dir, "a\x00b", unix.EINVAL},
	} {
		if e, err := Stat(c.dir, c.name); !errors.Is(err, c.want) {
			t.Errorf("%s %q: %+v, %v; want %v", c.dir, c.name, e, err, c.want)
		}
	}
}
