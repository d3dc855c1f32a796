package indexer

import (
	"path"
	"slices"
	"strings"

	"indexd/internal/mounts"
	"indexd/store/dbfile"
)

// Changes of the daemon's own files cause no work, because that work would change them
// again, for ever.

// isOwn reports whether p is a file of the daemon.
func (c *core) isOwn(p string) bool {
	return p == c.cfg.DB || p == c.cfg.Socket || dbfile.IsTemporary(c.cfg.DB, p)
}

// isTemporary reports whether a name in dir is of a file that the daemon makes for a
// moment. It is never indexed, since no event would tell that it was removed.
func (c *core) isTemporary(dir, name string) bool {
	return dir == c.cfg.BarrierDir || c.cfg.DB != "" && dir == path.Dir(c.cfg.DB) && dbfile.IsTemporary(c.cfg.DB, join(dir, name))
}

// ownFields returns the fields of the entry at p that change when the daemon itself writes.
// The index has them as the last listing found them.
func (c *core) ownFields(p string) []string {
	switch {
	case p == c.cfg.DB || p == c.cfg.BarrierDir: // a compaction makes another file of it
		return []string{"inode", "size", "blocks", "mtime"}
	case c.cfg.DB != "" && p == path.Dir(c.cfg.DB) || c.cfg.BarrierDir != "" && p == path.Dir(c.cfg.BarrierDir):
		return []string{"size", "blocks", "mtime"}
	}
	return nil
}

// Excluded reports whether changes of a path are of no interest, for watch.Options. The
// directory that it lies in is indexed, or above a root.
func (c *core) Excluded(p string) bool {
	if c.isOwn(p) {
		return true
	}
	set := c.rules.Load()
	if set == nil {
		return false
	}
	if !slices.ContainsFunc(c.allRoots(), func(r *root) bool { return mounts.Within(p, r.path) || mounts.Within(r.path, p) }) {
		return true // beside a root
	}
	_, excluded := set.Child(path.Dir(p), p[strings.LastIndexByte(p, '/')+1:], false)
	return excluded
}
