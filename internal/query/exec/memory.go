package exec

import (
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// ownBlocks is how many blocks every sorter may have; more count against Options.SortMemory.
	ownBlocks = 3
	// maxIdle is how many blocks are kept for the next sorter.
	maxIdle = 4
)

// memory is the memory for sorting, which all answers of a Runner share. It is mapped rather than
// on the heap, where the garbage collector would let it grow to twice its size.
type memory struct {
	max  int64 // bytes of blocks that are not a sorter's own
	size int   // bytes of a block
	rows int   // most rows of a block

	mu     sync.Mutex
	used   int64 // of max
	out    int   // blocks that sorters have
	idle   []*block
	parked []*parked
}

// take returns an empty block for a sorter that has n; nil if there is no memory for it. The
// caller may exceed the limit by a block that it gives back at once.
func (m *memory) take(n int, exceed bool) *block {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n >= ownBlocks {
		for m.used+int64(m.size) > m.max && !exceed {
			if len(m.parked) == 0 {
				return nil
			}
			m.reclaim(m.parked[0])
		}
		m.used += int64(m.size)
	}
	m.out++
	if last := len(m.idle) - 1; last >= 0 {
		b := m.idle[last]
		m.idle = m.idle[:last]
		return b
	}
	mem, err := unix.Mmap(-1, 0, m.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		if n < ownBlocks || exceed {
			return newBlock(make([]byte, m.size), m.rows)
		}
		m.out--
		m.used -= int64(m.size)
		return nil
	}
	b := newBlock(mem, m.rows)
	b.mapped = true
	return b
}

// give takes back a block of a sorter that had n.
func (m *memory) give(b *block, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > ownBlocks {
		m.used -= int64(m.size)
	}
	m.free(b)
}

func (m *memory) free(b *block) {
	m.out--
	b.reset()
	switch {
	case len(m.idle) < maxIdle:
		m.idle = append(m.idle, b)
	case b.mapped:
		_ = unix.Munmap(b.mem) // cannot fail for a whole mapping
	}
}

// parked is blocks that an answer does not need as long as its reader is slow. Other sorters
// may take them meanwhile.
type parked struct {
	blocks []*block // nil if they were taken
}

// park lets other sorters have blocks of which own are not yet counted in m.used.
func (m *memory) park(blocks []*block, own int) *parked {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := &parked{blocks}
	m.used += int64(own) * int64(m.size)
	m.parked = append(m.parked, p)
	for m.used > m.max && len(m.parked) > 0 {
		m.reclaim(m.parked[0])
	}
	return p
}

// unpark ends park. It returns false if the blocks were taken.
func (m *memory) unpark(p *parked, own int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.blocks == nil {
		return false
	}
	m.used -= int64(own) * int64(m.size)
	m.parked = slices.DeleteFunc(m.parked, func(q *parked) bool { return q == p })
	return true
}

// reclaim takes parked blocks away. m.mu is held.
func (m *memory) reclaim(p *parked) {
	for _, b := range p.blocks {
		m.used -= int64(m.size)
		m.free(b)
	}
	p.blocks = nil
	m.parked = slices.DeleteFunc(m.parked, func(q *parked) bool { return q == p })
}
