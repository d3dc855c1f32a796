// Package sockaddr makes unix sockets usable whose path is longer than the kernel allows.
package sockaddr

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Max is the maximum length in bytes of a path in a sockaddr_un, without its final NUL.
const Max = 107

// maxBase is the maximum length of a last component that Name can reach through an open
// directory, for descriptors below a million.
const maxBase = Max - len("/proc/self/fd/999999/")

// Fits returns an error that matches syscall.ENAMETOOLONG if Name cannot find a name for
// path even when its directory exists.
func Fits(path string) error {
	if len(path) > Max && len(filepath.Base(path)) > maxBase {
		return &os.PathError{Op: "socket", Path: path, Err: syscall.ENAMETOOLONG}
	}
	return nil
}

// Name returns a name for the socket at path that the kernel accepts: path itself, or if
// that is too long, a name through an open directory. The name is valid until release is
// called.
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
