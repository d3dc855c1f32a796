package dbfile

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// CatchCorruption calls fn and returns its error. When a page of the file turns out
// to be broken, bbolt panics or reads beyond the file; CatchCorruption turns that
// into ErrDamaged. View and the methods of Tx call it. A goroutine that uses a
// snapshot's cursors besides the one that called View must call it itself.
func CatchCorruption(fn func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if p := recover(); p != nil {
			if !isPageFault(p) {
				panic(p)
			}
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return fn()
}

// isPageFault reports whether p, just recovered from, was caused by a broken page and
// not by a fault of this program: a memory fault, which is what reading a mapping
// beyond the end of its file gives, or a panic that comes out of bbolt itself.
func isPageFault(p any) bool {
	if _, ok := p.(interface{ Addr() uintptr }); ok {
		return true
	}
	var pc [64]uintptr
	frames := runtime.CallersFrames(pc[:runtime.Callers(1, pc[:])])
	for thrown := false; ; {
		f, more := frames.Next()
		switch {
		case strings.HasPrefix(f.Function, "runtime."):
			thrown = true // from here up the stack is what panicked
		case thrown:
			return strings.HasPrefix(f.Function, "go.etcd.io/bbolt")
		}
		if !more {
			return false
		}
	}
}

// CatchCorruption is the function CatchCorruption for everything that goes through the
// file. It records damage, does not call fn once there is some, and returns it also if fn
// noted it and went on.
func (f *File) CatchCorruption(fn func() error) error {
	if err := f.Damage(); err != nil {
		return err
	}
	err := CatchCorruption(fn)
	f.NoteDamage(err)
	if err == nil {
		err = f.Damage()
	}
	return err
}

// NoteDamage records an error that wraps ErrDamaged, and ignores all others.
func (f *File) NoteDamage(err error) {
	if errors.Is(err, ErrDamaged) && f.broken.CompareAndSwap(nil, &err) {
		close(f.damaged)
	}
}

// Damaged returns a channel that is closed when pages of the file turn out to be
// broken while it is open. From then on every operation returns ErrDamaged, Close
// waits for nothing, and goroutines that were in bbolt may never return: the process
// should end, or begin a new database in place of this one.
func (f *File) Damaged() <-chan struct{} { return f.damaged }

// Damage returns why Damaged is closed, or nil.
func (f *File) Damage() error {
	if p := f.broken.Load(); p != nil {
		return *p
	}
	return nil
}
