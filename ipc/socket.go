package ipc

import (
	"os"
	"path/filepath"
	"strconv"
)

// SystemSocket is where the system's daemon listens.
const SystemSocket = "/run/indexd/indexd.sock"

// UserSocket is where a user's own daemon listens, "" if there is no place for
// it.
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

// DefaultSockets are those that a client tries: $INDEXD_SOCKET alone, or the
// user's and then the system's.
func DefaultSockets() []string {
	if s := os.Getenv("INDEXD_SOCKET"); s != "" {
		return []string{s}
	}
	if s := UserSocket(); s != "" {
		return []string{s, SystemSocket}
	}
	return []string{SystemSocket}
}
