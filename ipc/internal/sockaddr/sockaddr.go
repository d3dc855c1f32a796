// Package sockaddr names unix sockets whose path is longer than the kernel takes.
package sockaddr

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Max is the length of a path that fits into a sockaddr_un with its final NUL.
const Max = 107

// maxBase is the longest last component that Name can name by way of an open
// directory, whatever the number of its descriptor below a million.
const maxBase = Max - len("/proc/self/fd/999999/")

// Fits returns nil if Name will find a name for path once its directory is
// there; else an error that matches syscall.ENAMETOOLONG.
func Fits(path string) error {
	if len(path) > Max && len(filepath.Base(path)) > maxBase {
		return &os.PathError{Op: "socket", Path: path, Err: syscall.ENAMETOOLONG}
	}
	return nil
}

// Name returns a name for the socket at path that the kernel takes: path,
// or where that is too long, one through an open directory, which is valid
// until release is called.
func Name(path string) (name string, release func(), err error) {
	if len(path) <= Max {
		return path, func() {}, nil
	}
	if err := Fits(path); err != nil {
		return "", nil, err
	}
	const oPath = 0x200000 // O_PATH: no read permission needed
	fd, err := syscall.Open(filepath.Dir(path), oPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, &os.PathError{Op: "open", Path: filepath.Dir(path), Err: err}
	}
	name = fmt.Sprintf("/proc/self/fd/%d/%s", fd, filepath.Base(path))
	return name, func() { syscall.Close(fd) }, nil
}
