package walker

import "sync/atomic"

// pulse lets the watchdog see, without a lock or a clock on the way, whether
// a listing makes progress. Between enter and leave only system calls and
// short work happen, and each call is announced by a beat; when no beat is
// seen for long, the watchdog takes the listing away. Exactly one of leave and
// takeAway succeeds.
type pulse struct {
	state atomic.Uint32
	kind  atomic.Uint32 // of the system call
	beats atomic.Uint64

	// The watchdog's own.
	seen  uint64 // beats at its last look
	looks int    // at which that was the same
}

// The states of a pulse.
const (
	outside  = iota // of the listing: in Visit, or idle
	inside          // of the listing
	takenOff        // by the watchdog
)

// The kinds of system calls.
const (
	opOpen  = iota // the way to the directory
	opNames        // of the directory itself
	opStat         // of its entries, some of which may be mount points
)

func (p *pulse) enter() { p.beat(); p.state.Store(inside) }

// leave reports false if the listing was taken away: then somebody else has
// ended it, and what was found is to be forgotten.
func (p *pulse) leave() bool { return p.state.CompareAndSwap(inside, outside) }

// end is leave for who does not know whether enter was called.
func (p *pulse) end() bool { return p.leave() || p.state.Load() == outside }

func (p *pulse) takeAway() bool { return p.state.CompareAndSwap(inside, takenOff) }

func (p *pulse) lost() bool { return p.state.Load() == takenOff }

// beat announces a system call.
func (p *pulse) beat() { p.beats.Add(1) }

// op announces a system call of another kind than the one before.
func (p *pulse) op(kind uint32) { p.kind.Store(kind); p.beat() }

// silent returns for how many looks of the watchdog there was no beat.
func (p *pulse) silent() int {
	if beats := p.beats.Load(); p.state.Load() != inside || beats != p.seen {
		p.seen, p.looks = beats, 0
	} else {
		p.looks++
	}
	return p.looks
}
