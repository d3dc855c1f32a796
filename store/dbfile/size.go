package dbfile

// A commit writes changed pages elsewhere before it frees the old ones, so for a moment
// it needs more of Options.MaxSize than it leaves in use. At the limit, not even changes
// that make the database smaller could be written. So all other changes leave some room,
// see Tx.Leave.

const (
	// The room kept for that is a share of the limit, within bounds in bytes; of a
	// very small limit it is a larger share.
	reserveShare = 32
	reserveLeast = 1 << 20
	reserveMost  = 32 << 20
	reserveSmall = 8
)

// Reserve returns how much room in bytes changes that can wait should leave; 0 if the
// size is not limited.
func (f *File) Reserve() int64 {
	limit := int64(f.opt.MaxSize)
	return max(min(max(limit/reserveShare, reserveLeast), limit/reserveSmall, reserveMost), 0)
}

// Room returns how many bytes of pages can be written within Options.MaxSize; limited is
// false if there is no limit. If the limit was lowered, room may be negative.
func (f *File) Room() (room int64, limited bool) {
	if f.opt.MaxSize <= 0 {
		return 0, false
	}
	err := f.View(func(sn *Snap) error {
		room = f.room(sn.h, sn.tx.Size())
		return nil
	})
	return room, err == nil
}

// room is Room for a handle whose pages reach to size.
func (f *File) room(h *handle, size int64) int64 {
	st := h.db.Stats()
	free := int64(st.FreePageN+st.PendingPageN) * int64(h.pageSize)
	return int64(f.opt.MaxSize) - int64(h.db.AllocSize) - size + free
}

// Leave makes Commit return ErrFull if it could leave less than n bytes of Room. What
// counts is what the transaction writes, which is more than what it adds.
func (t *Tx) Leave(n int64) { t.leave = n }

// fits reports whether the commit would leave the room requested by Leave.
func (t *Tx) fits() bool {
	if t.leave <= 0 || t.f.opt.MaxSize <= 0 {
		return true
	}
	st := t.tx.Stats()
	need := int64(t.f.pageSize)*(st.GetNodeCount()+spareNodes) + int64(t.written)*3/2 + int64(t.h.db.Stats().FreelistInuse)
	return t.f.room(t.h, t.tx.Size())-need >= t.leave
}

// spareNodes are pages for the free list, the root and splits.
const spareNodes = 4

const growStep = 1 << 20

// growBy returns the step in bytes in which the file grows. bbolt's 16 MiB would pad a
// small database, and the last step below a limit cannot be used.
func (o *Options) growBy() int {
	if o.MaxSize <= 0 {
		return growStep
	}
	return min(max(o.MaxSize/64, 1<<14), growStep)
}
