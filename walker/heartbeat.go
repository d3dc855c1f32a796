package walker

import "sync/atomic"

// heartbeat lets the watchdog see whether a listing makes progress, without a lock or a
// clock on the fast path. Between enter and leave only system calls and short
// computations happen, and a tick precedes each call. If no tick is seen for long, the
// watchdog revokes the listing. Exactly one of leave and revoke succeeds.
type heartbeat struct {
	state atomic.Uint32
	kind  atomic.Uint32 // of the current system call
	ticks atomic.Uint64

	// Used only by the watchdog.
	seen   uint64 // ticks at the last check
	missed int    // consecutive checks without a tick
}

// States of a heartbeat.
const (
	stateIdle    = iota // in Visit, or without a directory
	stateListing        // in the listing
	stateRevoked        // taken over by the watchdog
)

// Kinds of system calls.
const (
	opOpen  = iota // opening the directory
	opNames        // reading the directory itself
	opStat         // stat of its entries, some of which may be mount points
)

func (p *heartbeat) enter() { p.tick(); p.state.Store(stateListing) }

// leave reports false if the listing was revoked: its directory has been ended by another
// worker, and its results must be dropped.
func (p *heartbeat) leave() bool { return p.state.CompareAndSwap(stateListing, stateIdle) }

// end is leave for callers that do not know whether enter was called.
func (p *heartbeat) end() bool { return p.leave() || p.state.Load() == stateIdle }

func (p *heartbeat) revoke() bool { return p.state.CompareAndSwap(stateListing, stateRevoked) }

func (p *heartbeat) isRevoked() bool { return p.state.Load() == stateRevoked }

// tick precedes each system call.
func (p *heartbeat) tick() { p.ticks.Add(1) }

// startOp is tick for the first system call of a kind.
func (p *heartbeat) startOp(kind uint32) { p.kind.Store(kind); p.tick() }

// missedChecks returns for how many checks of the watchdog in a row there was no tick.
func (p *heartbeat) missedChecks() int {
	if beats := p.ticks.Load(); p.state.Load() != stateListing || beats != p.seen {
		p.seen, p.missed = beats, 0
	} else {
		p.missed++
	}
	return p.missed
}
