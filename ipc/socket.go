package ipc

import (
	"os"
	"path/filepath"
	"strconv"
)

// SystemSocket is the socket of the system's daemon.
const SystemSocket = "/run/indexd/indexd.sock"

// UserSocket returns the socket of the user's own daemon, or "" if there is no directory
// for it.
func UserSocket() string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = "/run/user/" + strconv.Itoa(os.Getuid())
		if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
			return ""
		}
	}
	return filepath.Join(dir, "indexd", "indexd.sock")
}

// DefaultSockets returns the sockets that a client tries: only $INDEXD_SOCKET if it is
// set, otherwise the user's and then the system's.
func DefaultSockets() []string {
	if s := os.Getenv("INDEXD_SOCKET"); s != "" {
		return []string{s}
	}
	if s := UserSocket(); s != "" {
		return []string{s, SystemSocket}
	}
	return []string{SystemSocket}
}
