package store

// Options.MaxSize is a limit on the file, of which a commit uses more for a moment
// than it leaves in use: what it changes is written elsewhere first. At the limit not
// even what makes the database smaller could be written. So who writes leaves some
// room, see Tx.Leave, but for what makes it smaller.

const (
	// What is kept for that: a share of the limit, within bounds in bytes; of a very
	// small limit a larger share.
	reserveShare = 32
	reserveLeast = 1 << 20
	reserveMost  = 32 << 20
	reserveSmall = 8
)

// Reserve is how much room in bytes should be left by what may wait; 0 where the
// size is not limited.
func (s *Store) Reserve() int64 {
	limit := int64(s.opt.MaxSize)
	return max(min(max(limit/reserveShare, reserveLeast), limit/reserveSmall, reserveMost), 0)
}

// Room returns how many bytes of pages can be written within Options.MaxSize; limited
// is false where there is no limit. Where the limit was lowered it may be negative.
func (s *Store) Room() (room int64, limited bool) {
	if s.opt.MaxSize <= 0 {
		return 0, false
	}
	err := s.View(func(sn *Snap) error {
		room = s.room(sn.h, sn.tx.Size())
		return nil
	})
	return room, err == nil
}

// room is Room of a handle whose pages reach to size.
func (s *Store) room(h *handle, size int64) int64 {
	st := h.db.Stats()
	free := int64(st.FreePageN+st.PendingPageN) * int64(h.pageSize)
	return int64(s.opt.MaxSize) - int64(h.db.AllocSize) - size + free
}

// Leave makes Commit return ErrFull where it could leave less than n bytes of Room. It
// is judged by what the transaction writes, which is more than what it adds.
func (t *Tx) Leave(n int64) { t.leave = n }

// fits reports whether what was done leaves the room that it is to leave.
func (t *Tx) fits() bool {
	if t.leave <= 0 || t.s.opt.MaxSize <= 0 {
		return true
	}
	st := t.tx.Stats()
	need := int64(t.s.pageSize)*(st.GetNodeCount()+spareNodes) + int64(t.written)*3/2 + int64(t.h.db.Stats().FreelistInuse)
	return t.s.room(t.h, t.tx.Size())-need >= t.leave
}

// spareNodes are for the free list, the root and what splits.
const spareNodes = 4

const growStep = 1 << 20

// growBy is by how many bytes more than it needs the file grows: bbolt's 16 MiB would
// pad a small database, and the last step below a limit cannot be used.
func (o *Options) growBy() int {
	if o.MaxSize <= 0 {
		return growStep
	}
	return min(max(o.MaxSize/64, 1<<14), growStep)
}
