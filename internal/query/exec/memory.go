package exec

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// memory is what all sorts of a Runner share. It is mapped, not the heap's: the
// collector then does not double it, and it goes when the last sort ends.
type memory struct {
	max        int64 // bytes
	data, rows int   // of a block

	mu   sync.Mutex
	used int64    // reserved, or in blocks, idle ones included
	out  int      // blocks that sorters have
	idle []*block // none where no sorter has any

	heap sync.Pool // of *block: those of sorters' own that have ended
}

// ownBlock returns an empty block of the heap; giveOwn is its end.
func (m *memory) ownBlock() *block {
	if b, ok := m.heap.Get().(*block); ok {
		return b
	}
	return newBlock(m.data, m.rows)
}

func (m *memory) giveOwn(b *block) { m.heap.Put(b) }

// blockSize is the memory that a block takes.
func (m *memory) blockSize() int64 { return int64(m.data) + int64(m.rows)*refSize }

// takeBlock returns an empty block; nil: there is no memory for it.
func (m *memory) takeBlock() *block {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.idle); n > 0 {
		b := m.idle[n-1]
		m.idle = m.idle[:n-1]
		m.out++
		return b
	}
	if m.used+m.blockSize() > m.max {
		return nil
	}
	b := m.mapBlock()
	if b != nil {
		m.used += m.blockSize()
		m.out++
	}
	return b
}

// giveBlock is the end of takeBlock. b is empty, and nothing aliases it.
func (m *memory) giveBlock(b *block) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.idle = append(m.idle, b)
	if m.out--; m.out > 0 {
		return
	}
	for _, b := range m.idle {
		m.used -= m.blockSize()
		unix.Munmap(b.mapped) // of a mapping of ours: cannot fail
	}
	m.idle = nil
}

// mapBlock returns a new block; nil: the system gives no memory.
func (m *memory) mapBlock() *block {
	refs := m.rows * int(refSize) // first, since they are to be aligned
	b, err := unix.Mmap(-1, 0, refs+m.data, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil
	}
	return &block{
		refs:   unsafe.Slice((*ref)(unsafe.Pointer(unsafe.SliceData(b))), m.rows)[:0],
		data:   b[refs:][:0],
		mapped: b,
	}
}

// reserve takes n bytes for the caller to allocate; false: they are in use.
func (m *memory) reserve(n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.used+n > m.max {
		return false
	}
	m.used += n
	return true
}

// release is the end of reserve.
func (m *memory) release(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used -= n
}
