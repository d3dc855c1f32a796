package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"indexd/cmd/indexctl/internal/console"
)

// The index knows directories by the paths that the walker came by, which go
// through no symbolic link. So what a user names is made absolute from the
// kernel's working directory, not the shell's $PWD, and links on the way are
// followed as the kernel would. What cannot be followed, since it does not
// exist (any more), is taken as it is written.

// absolute is the path of a file itself: a link in the last place stays, unless
// a slash follows it.
func absolute(path string) (string, error) {
	path, err := rooted(path)
	if err != nil {
		return "", err
	}
	trimmed := strings.TrimRight(path, "/")
	last := trimmed[strings.LastIndexByte(trimmed, '/')+1:]
	if trimmed != path || last == "." || last == ".." {
		return resolved(path), nil
	}
	return filepath.Join(resolved(trimmed[:len(trimmed)-len(last)]), last), nil
}

// absoluteTree is the path of what a user names as a tree: a link to a
// directory is followed in the last place too.
func absoluteTree(path string) (string, error) {
	abs, err := absolute(path)
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	if unix.Stat(abs, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return resolved(abs), nil
	}
	return abs, nil
}

// missing reports whether there is surely nothing at path.
func missing(path string) bool {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	return err == unix.ENOENT || err == unix.ENOTDIR
}

func rooted(path string) (string, error) {
	if path == "" {
		return "", console.Usagef("a path is empty")
	}
	if path[0] == '/' {
		return path, nil
	}
	cwd, err := workingDir()
	if err != nil {
		return "", err
	}
	return cwd + "/" + path, nil
}

// workingDir asks the kernel; os.Getwd would believe $PWD.
func workingDir() (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Getcwd(buf)
	if err == nil && buf[0] != '/' {
		err = unix.ENOENT // outside of this process's root
	}
	if err != nil {
		return "", fmt.Errorf("the working directory: %w", err)
	}
	return string(buf[:n-1]), nil
}

// resolved follows the links in path, as far down as it exists.
func resolved(path string) string {
	real, err := filepath.EvalSymlinks(path)
	for dir := filepath.Clean(path); err != nil && dir != "/"; {
		rest := filepath.Base(dir)
		dir = filepath.Dir(dir)
		if real, err = filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest, strings.TrimPrefix(filepath.Clean(path), filepath.Join(dir, rest)))
		}
	}
	if err != nil {
		return filepath.Clean(path)
	}
	return real
}
