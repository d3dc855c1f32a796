package walker

import (
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"indexd/listing"
)

// Stat says what one name in a directory (absolute, clean) is, as a listing of
// the directory would, without following a symbolic link anywhere. Where a file
// system is mounted on the name its server is not asked, nor is that of the
// directory's, should it have one: it is for local file systems. errors.Is with
// fs.ErrNotExist: there is no such name, or no such directory.
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
