// Package rules decides which parts of a file system are not indexed: excluded names and
// paths, pruned directory names, and pruned file system types.
package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Config describes a Set. All strings may contain any byte except NUL.
type Config struct {
	// Exclude lists globs for entries of any type. A glob that contains '/' matches an
	// absolute path, any other a name at any depth. `*` and `?` do not match '/', and
	// `**` matches any number of path components; `[a-z]`, `[^a-z]`, `{a,b}` and `\`
	// have their usual meaning. A match is excluded along with everything below it.
	Exclude []string
	// PruneNames lists names (not globs) of directories at any depth.
	PruneNames []string
	// PrunePaths lists absolute paths (not globs) of directories.
	PrunePaths []string
	// PruneFS lists file system types, in upper or lower case.
	PruneFS []string
}

// Set is an immutable set of rules, safe for concurrent use. The Set of the zero Config
// excludes nothing.
type Set struct {
	byName      map[string][]rule // rules whose last component is a plain name
	first       [256]uint8        // forAny and forDirs, by the first byte of the names in byName
	globs       []rule
	fs          map[string]struct{} // lower case
	fingerprint string
}

// Bits of Set.first: there are rules for entries of any type, or for directories.
const (
	forAny  = 1
	forDirs = 2
)

// New returns a Set. An error names the invalid rule.
func New(c Config) (*Set, error) {
	s := &Set{byName: make(map[string][]rule), fs: make(map[string]struct{})}
	for _, g := range c.Exclude {
		list, err := parseGlob(g)
		if err != nil {
			return nil, fmt.Errorf("exclude %q: %w", g, err)
		}
		for _, r := range list {
			r.text = "exclude " + g
			s.add(r)
		}
	}
	for _, name := range c.PruneNames {
		if name == "" || strings.ContainsAny(name, "/\x00") {
			return nil, fmt.Errorf("prune-name %q: is not the name of a directory", name)
		}
		s.add(rule{text: "prune-name " + name, name: pattern{prefix: name, literal: true}, onlyDirs: true})
	}
	for _, p := range c.PrunePaths {
		clean := path.Clean(p)
		if !path.IsAbs(p) || clean == "/" || strings.Contains(p, "\x00") {
			return nil, fmt.Errorf("prune path %q: is not the absolute path of a directory", p)
		}
		s.add(literalPath(clean, "prune path "+p, true))
	}
	for _, fs := range c.PruneFS {
		s.fs[strings.ToLower(fs)] = struct{}{}
	}
	s.fingerprint = fingerprint(c)
	return s, nil
}

func (s *Set) add(r rule) {
	name := r.name.prefix
	switch {
	case !r.name.literal:
		s.globs = append(s.globs, r)
	case name != "":
		s.byName[name] = append(s.byName[name], r)
		if s.first[name[0]] |= forDirs; !r.onlyDirs {
			s.first[name[0]] |= forAny
		}
	}
}

// Child reports whether the entry name in the directory dir is excluded, and by which
// rule, as the user wrote it. dir is absolute and clean, and not excluded itself. Child
// is called for every entry of every listing; it does not allocate.
func (s *Set) Child(dir, name string, isDir bool) (rule string, excluded bool) {
	kind := uint8(forAny)
	if isDir {
		kind = forDirs
	}
	if name != "" && s.first[name[0]]&kind != 0 {
		list := s.byName[name]
		for i := range list {
			if r := &list[i]; (isDir || !r.onlyDirs) && r.dir.match(dir) {
				return r.text, true
			}
		}
	}
	for i := range s.globs {
		if r := &s.globs[i]; r.name.match(name) && r.dir.match(dir) {
			return r.text, true
		}
	}
	return "", false
}

// Path reports whether the directory at an absolute clean path, or one above it, is
// excluded. "/" never is.
func (s *Set) Path(abs string) (rule string, excluded bool) { return s.Below("/", abs) }

// Below is Path for directories below root, which is indexed regardless of rules that
// match it or what is above it. abs is root or below it.
func (s *Set) Below(root, abs string) (rule string, excluded bool) {
	at := len(root)
	if root == "/" {
		at = 0
	}
	for at < len(abs) && abs != "/" {
		dir := abs[:max(at, 1)]
		name := abs[at+1:]
		if i := strings.IndexByte(name, '/'); i >= 0 {
			name = name[:i]
		}
		if rule, excluded = s.Child(dir, name, true); excluded {
			return rule, true
		}
		at += 1 + len(name)
	}
	return "", false
}

// PrunedFS reports whether file systems of this type are not entered.
func (s *Set) PrunedFS(fsType string) bool {
	_, ok := s.fs[strings.ToLower(fsType)]
	return ok
}

// Fingerprint returns a hash of the rules that does not depend on their order.
func (s *Set) Fingerprint() string { return s.fingerprint }

func fingerprint(c Config) string {
	h := sha256.New()
	lower := make([]string, len(c.PruneFS))
	for i, fs := range c.PruneFS {
		lower[i] = strings.ToLower(fs)
	}
	for _, list := range [][]string{c.Exclude, c.PruneNames, c.PrunePaths, lower} {
		list = slices.Clone(list)
		slices.Sort(list)
		for _, text := range slices.Compact(list) {
			fmt.Fprintf(h, "%d:%s", len(text), text)
		}
		h.Write([]byte{'.'})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// DefaultPruneFS returns the file system types that Debian's plocate prunes: virtual,
// network and in-memory ones, and those of removable media.
func DefaultPruneFS() []string {
	return strings.Fields(`NFS afs autofs binfmt_misc ceph cgroup cgroup2 cifs coda configfs curlftpfs debugfs
		devfs devpts devtmpfs ecryptfs ftpfs fuse.ceph fuse.cryfs fuse.encfs fuse.glusterfs fuse.gocryptfs
		fuse.gvfsd-fuse fuse.mfs fuse.rclone fuse.rozofs fuse.sshfs fusectl fusesmb hugetlbfs iso9660 lustre
		lustre_lite mfs mqueue ncpfs nfs nfs4 ocfs ocfs2 proc pstore rpc_pipefs securityfs shfs smbfs sysfs
		tmpfs tracefs udev udf usbfs`)
}
