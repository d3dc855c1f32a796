package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"indexd/cmd/indexctl/internal/console"
)

// Paths in the index contain no symbolic links. So a path on the command line is made absolute
// from the kernel's working directory rather than from $PWD, and links in it are resolved as
// the kernel would resolve them. The part of it that does not exist is left as it is.

// absolute returns the absolute path of a file. A link in the last component is not resolved
// unless a slash follows it.
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

// absoluteTree returns the absolute path of a tree. A link to a directory is resolved in the
// last component too.
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

// missing reports whether path certainly does not exist.
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

// workingDir asks the kernel, because os.Getwd trusts $PWD.
func workingDir() (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Getcwd(buf)
	if err == nil && buf[0] != '/' {
		err = unix.ENOENT // outside this process's root
	}
	if err != nil {
		return "", fmt.Errorf("the working directory: %w", err)
	}
	return string(buf[:n-1]), nil
}

// resolved resolves the links in the part of path that exists.
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
