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

// Name returns a name for the socket at path that the kernel takes: path,
// or where that is too long, one through an open directory, which is valid
// until release is called.
func Name(path string) (name string, release func(), err error) {
	if len(path) <= Max {
		return path, func() {}, nil
	}
	const oPath = 0x200000 // O_PATH: no read permission needed
	fd, err := syscall.Open(filepath.Dir(path), oPath|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", nil, &os.PathError{Op: "open", Path: filepath.Dir(path), Err: err}
	}
	name = fmt.Sprintf("/proc/self/fd/%d/%s", fd, filepath.Base(path))
	if len(name) > Max {
		syscall.Close(fd)
		return "", nil, &os.PathError{Op: "socket", Path: path, Err: syscall.ENAMETOOLONG}
	}
	return name, func() { syscall.Close(fd) }, nil
}
