package walker

import "sync/atomic"

// pulse lets the watchdog see, without a lock or a clock on the way, whether
// a listing makes progress. Between enter and leave only system calls and
// short work happen, and each call is announced by a beat; when no beat is
// seen for long, the watchdog takes the listing away. Exactly one of leave and
// takeAway succeeds.
type heartbeat struct {
	state atomic.Uint32
	kind  atomic.Uint32 // of the system call
	ticks atomic.Uint64

	// The watchdog's own.
	seen   uint64 // beats at its last look
	missed int    // at which that was the same
}

// The states of a pulse.
const (
	stateIdle    = iota // of the listing: in Visit, or idle
	stateListing        // of the listing
	stateRevoked        // by the watchdog
)

// The kinds of system calls.
const (
	opOpen  = iota // the way to the directory
	opNames        // of the directory itself
	opStat         // of its entries, some of which may be mount points
)

func (p *heartbeat) enter() { p.tick(); p.state.Store(stateListing) }

// leave reports false if the listing was taken away: then somebody else has
// ended it, and what was found is to be forgotten.
func (p *heartbeat) leave() bool { return p.state.CompareAndSwap(stateListing, stateIdle) }

// end is leave for who does not know whether enter was called.
func (p *heartbeat) end() bool { return p.leave() || p.state.Load() == stateIdle }

func (p *heartbeat) revoke() bool { return p.state.CompareAndSwap(stateListing, stateRevoked) }

func (p *heartbeat) isRevoked() bool { return p.state.Load() == stateRevoked }

// beat announces a system call.
func (p *heartbeat) tick() { p.ticks.Add(1) }

// op announces a system call of another kind than the one before.
func (p *heartbeat) startOp(kind uint32) { p.kind.Store(kind); p.tick() }

// silent returns for how many looks of the watchdog there was no beat.
func (p *heartbeat) missedChecks() int {
	if beats := p.ticks.Load(); p.state.Load() != stateListing || beats != p.seen {
		p.seen, p.missed = beats, 0
	} else {
		p.missed++
	}
	return p.missed
}
