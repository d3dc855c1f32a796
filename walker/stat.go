package walker

import (
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"indexd/listing"
)

// Stat returns one entry of a directory (an absolute, clean path) as a listing of the
// directory would contain it. Symbolic links are not followed. Network servers are not
// asked, neither for the directory nor for a file system mounted on the entry, so the
// result is exact only for local file systems. The error wraps fs.ErrNotExist if the
// entry or the directory does not exist.
func Stat(dir, name string) (listing.Entry, error) {
	var k linux
	o := opener{k: &k}
	fd, err := o.open(dir)
	if err != nil {
		return listing.Entry{}, err
	}
	defer k.close(fd)
	if name == "" || strings.ContainsAny(name, "/\x00") {
		return listing.Entry{}, &fs.PathError{Op: "statx", Path: dir + "/" + name, Err: unix.EINVAL}
	}
	e := listing.Entry{Name: name}
	var st unix.Statx_t
	b := append([]byte(name), 0)
	if errno := k.statx(fd, &b[0], unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT|unix.AT_STATX_DONT_SYNC, &st); errno != 0 {
		return listing.Entry{}, &fs.PathError{Op: "statx", Path: dir + "/" + name, Err: errno}
	}
	setStat(&e.Stat, &st)
	return e, nil
}
