package dbfile

import "context"

// ValueCheck checks the values of a file during a check of its pages.
type ValueCheck interface {
	// Bucket returns a function that checks a value of a bucket, or nil. An error makes
	// the file ErrDamaged. Key and value are valid during the call.
	Bucket(name string) func(key, val []byte) error
	// Done is called after all values, and returns an ErrDamaged if the file is damaged
	// after all.
	Done() error
}

// RequestVerify makes the next Verify or Commit check all pages and values again. It is
// called when a damaged value was met, which may not be all that is damaged, and does not
// wait.
func (f *File) RequestVerify() { f.suspect.Store(true) }

// Verify checks all pages and values, unless that was done since Open or RequestVerify. The
// writer waits meanwhile, snapshots do not. ErrDamaged is returned, or ctx's error.
func (f *File) Verify(ctx context.Context) error {
	return f.locked(func(h *handle) error { return f.verify(ctx, h) })
}

// locked calls fn with the writer held.
func (f *File) locked(fn func(*handle) error) error {
	f.writer.Lock()
	defer f.writer.Unlock()
	h, err := f.files.take()
	if err != nil {
		return err
	}
	defer f.files.release(h)
	return fn(h)
}

// verify makes sure that all pages and values were checked before the first page is
// written: bbolt, which joins and splits whatever it takes for pages, turns little damage
// into much, or never returns. The writer is held.
func (f *File) verify(ctx context.Context, h *handle) error {
	if !f.suspect.Swap(false) && f.verified {
		return nil
	}
	values := f.schema.NewCheck()
	err := pageCheck{all: true, large: f.schema.Large, values: values}.check(ctx, h.file)
	if err == nil {
		err = values.Done()
	}
	f.verified = err == nil
	f.NoteDamage(err)
	return err
}

// CheckBolt checks all pages and then lets bbolt check them too, which does so on a goroutine
// of its own, where a page that leads beyond the file would end the process. The writer
// waits meanwhile.
func (f *File) CheckBolt(ctx context.Context, report func(error)) error {
	return f.locked(func(h *handle) error {
		if err := f.checkPages(ctx, h.file, true); err != nil {
			f.NoteDamage(err)
			return err
		}
		// The list of free pages is read too, which belongs to the writer.
		tx, err := h.db.Begin(!f.opt.ReadOnly)
		if err != nil {
			return openErr(err)
		}
		defer tx.Rollback()
		for err := range tx.Check() {
			report(err)
		}
		return context.Cause(ctx)
	})
}

// CheckFile checks all pages of a file that no process writes to, without writing to it, and
// the values that values checks, unless that is nil. large is as in Schema. report gets what
// is wrong with each page; if it is nil, the first problem is the error. progress is called now
// and then with the number of pages read and their total. The error is one of those of Open,
// ErrLocked at once, or ctx's.
func CheckFile(ctx context.Context, path string, large func(bucket string) bool, values ValueCheck, report func(error), progress func(done, total uint64)) error {
	file, err := openPlain(path, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	c := pageCheck{all: true, large: large, values: values, report: report, progress: progress}
	if err := c.check(ctx, file); err != nil || values == nil {
		return err
	}
	return values.Done()
}
