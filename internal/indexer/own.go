package indexer

import (
	"path"

	"indexd/store"
)

// isOwn reports whether a path is that of a file of the daemon's, changes of which
// raise no work: they would go on for ever.
func (x *Indexer) isOwn(p string) bool {
	return p == x.cfg.DB || p == x.cfg.Socket || store.IsTemporary(x.cfg.DB, p)
}

// isFleeting reports whether a name in dir is of a file that the daemon makes for a
// moment: it is never in the index, since no event would tell that it went.
func (x *Indexer) isFleeting(dir, name string) bool {
	return dir == x.cfg.Cookies || x.cfg.DB != "" && dir == path.Dir(x.cfg.DB) && store.IsTemporary(x.cfg.DB, join(dir, name))
}

// ownDoing returns the fields of what is at p that change with what the daemon itself
// writes: to be expected of them is what the last listing found.
func (x *Indexer) ownDoing(p string) []string {
	switch {
	case p == x.cfg.DB || p == x.cfg.Cookies: // and a compaction makes another file of it
		return []string{"inode", "size", "blocks", "mtime"}
	case x.cfg.DB != "" && p == path.Dir(x.cfg.DB) || x.cfg.Cookies != "" && p == path.Dir(x.cfg.Cookies):
		return []string{"size", "blocks", "mtime"}
	}
	return nil
}
