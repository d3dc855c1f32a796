package walker

import (
	"context"
	"iter"
	"sync/atomic"

	"indexd/listing"
)

// Walk lists dir and everything below it, including mounted file systems, and yields each
// directory as it is completed, a large one in parts. The caller may keep the results.
// Breaking out of the loop, or the end of ctx, cancels the walk; when the loop has ended,
// no work is left. A walk that was cut short yields a last result with the Err of the
// job. It must not be used inside Visit.
func (p *Pool) Walk(ctx context.Context, dir string) iter.Seq[Result] {
	return func(yield func(Result) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		found := make(chan Result)
		j, err := p.Submit(ctx, Spec{Dirs: []string{dir}, Priority: Asked, Visit: func(r *Result) []string {
			c := Result{Worker: r.Worker, Job: r.Job, Dir: r.Dir, Err: r.Err}
			var dirs []string
			if r.Listing != nil {
				c.Listing = r.Listing.Clone()
				dirs = subdirs(c.Listing)
			}
			select {
			case found <- c:
			case <-r.Job.Cancelled():
			}
			return dirs
		}})
		if err != nil {
			yield(Result{Dir: dir, Err: err})
			return
		}
		defer func() {
			cancel()
			<-j.Done()
		}()
		for ended := false; !ended && ctx.Err() == nil; {
			select {
			case r := <-found:
				if !yield(r) {
					return
				}
			case <-j.Done():
				ended = true
			case <-ctx.Done():
			}
		}
		if <-j.Done(); j.err != nil {
			yield(Result{Job: j, Dir: dir, Err: j.err})
		}
	}
}

// subdirs returns the names of the directories in l.
func subdirs(l *listing.Listing) (names []string) {
	for i := range l.Entries {
		if l.Entries[i].Type() == listing.Dir {
			names = append(names, l.Entries[i].Name)
		}
	}
	return names
}

// List lists one directory (an absolute, clean path) without a pool. It calls visit with
// the whole listing, or, if there are more than 8192 entries, with one part after the
// other. The listing has Stamp 0 and is valid until visit returns. An error of visit ends
// List, which returns it. When ctx ends, List returns its cause, after at most 32 more
// statx calls.
func List(ctx context.Context, dir string, visit func(*listing.Listing) error) error {
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()
	var spare bufferPool
	ls := newLister(&linux{}, func() uint64 { return 0 }, &spare)
	ls.stop = &stop
	limit := Options{}.withDefaults().BigDir
	r := ls.begin(dir)
	for {
		err := ls.read(r, limit, nil)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		}
		if err := visit(&ls.listed); err != nil || ls.listed.Last {
			return err
		}
	}
}
