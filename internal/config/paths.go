package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"indexd/internal/mounts"
)

// standardDir returns the directory for one kind of files: the first that systemd passes,
// else that of root, else that of the user according to XDG, or "".
func standardDir(systemd, root, xdg, belowHome string, uid int) string {
	if dir, _, _ := strings.Cut(os.Getenv(systemd), ":"); filepath.IsAbs(dir) {
		return dir
	}
	if uid == 0 {
		return root
	}
	if dir := os.Getenv(xdg); filepath.IsAbs(dir) {
		return filepath.Join(dir, "indexd")
	}
	if home := home(); home != "" && belowHome != "" {
		return filepath.Join(home, belowHome, "indexd")
	}
	return ""
}

// home returns the user's home directory, or "".
func home() string {
	if dir := os.Getenv("HOME"); filepath.IsAbs(dir) {
		return dir
	}
	if u, err := user.Current(); err == nil && filepath.IsAbs(u.HomeDir) {
		return u.HomeDir
	}
	return ""
}

func defaultRoot(uid int) (string, error) {
	if uid == 0 {
		return "/", nil
	}
	if dir := home(); dir != "" {
		return dir, nil
	}
	return "", errors.New("there is no home directory to index: HOME is not set; name a ROOT")
}

// resolveRoots makes directories absolute and free of symbolic links, and separates those
// that lie within another.
func resolveRoots(given []string) (roots, inner []string, err error) {
	var all []string
	for _, dir := range given {
		abs, err := resolveRoot(dir)
		if err != nil {
			return nil, nil, fmt.Errorf("root %s: %w", dir, err)
		}
		all = append(all, abs)
	}
	slices.SortFunc(all, mounts.ComparePaths)
	for _, dir := range slices.Compact(all) {
		if n := len(roots); n > 0 && mounts.Within(dir, roots[n-1]) {
			inner = append(inner, dir)
		} else {
			roots = append(roots, dir)
		}
	}
	return roots, inner, nil
}

func resolveRoot(dir string) (string, error) {
	if dir == "" {
		return "", errEmpty
	}
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	var fi fs.FileInfo
	if err == nil {
		fi, err = os.Lstat(abs)
	}
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", errors.New("there is no such directory")
	case errors.As(err, &errno):
		return "", errno
	case err != nil:
		return "", err
	case !fi.IsDir():
		return "", errors.New("is not a directory")
	}
	return abs, nil
}

// resolveLinks returns the target of a path that is a symbolic link. Replacing the file
// then replaces the target, not the link, and events are reported there. The target need
// not exist.
func resolveLinks(path string) string {
	for range 40 { // as many as the kernel follows
		to, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(path)) // before resolving any ".." in the target
			if err != nil {
				break
			}
			to = filepath.Join(dir, to)
		}
		path = filepath.Clean(to)
	}
	return path
}
