package store

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Guard calls fn and returns its error. Where the file's pages turn out to be
// broken, bbolt panics or reads beyond the file; Guard makes that ErrDamaged.
// All of this package's functions are guarded but for a Cursor used on another
// goroutine than View's: such a goroutine does its work in a Guard of its own.
func Guard(fn func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if p := recover(); p != nil {
			if !overPage(p) {
				panic(p)
			}
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return fn()
}

// overPage reports whether p, just recovered from, is a panic over a broken
// page and not a fault of this program: a fault of memory, which is what
// reading a mapping beyond its file's end gives, or anything that comes out of
// bbolt itself.
func overPage(p any) bool {
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
