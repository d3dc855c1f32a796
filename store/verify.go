package store

import (
	"context"
	"fmt"
	"strings"

	"indexd/store/dbfile"
)

// Problem is something that is wrong with a database.
type Problem struct {
	Where string // a bucket, and what in it
	What  string
}

func (p Problem) String() string { return p.Where + ": " + p.What }

// VerifyFile checks a database that no daemon has open, without writing to it, and returns
// what is in it. It calls report with each page that is wrong or, if all pages hold together,
// with each value that is. It calls progress now and then with how far it is, in pages.
// Either may be nil. The error is one of Open's, with ErrLocked at once, or ctx's. ErrDamaged
// is returned after reports; with ErrOlderSchema only the pages were checked.
func VerifyFile(ctx context.Context, path string, report func(Problem), progress func(what string, done, total uint64)) (st Stats, err error) {
	if report == nil {
		report = func(Problem) {}
	}
	if progress == nil {
		progress = func(string, uint64, uint64) {}
	}
	err = verifyFile(ctx, path, report, progress, &st)
	if err != nil && context.Cause(ctx) == nil {
		err = fmt.Errorf("verify %s: %w", path, err)
	}
	return st, err
}

func verifyFile(ctx context.Context, path string, report func(Problem), progress func(string, uint64, uint64), st *Stats) error {
	n := 0
	count := func(p Problem) { n++; report(p) }
	page := func(err error) {
		count(Problem{"pages", strings.TrimPrefix(err.Error(), ErrDamaged.Error()+": ")})
	}
	err := dbfile.CheckFile(ctx, path, isLarge, nil, page, func(done, total uint64) { progress("pages", done, total) })
	if err == nil && n > 0 {
		err = fmt.Errorf("%w: %d of its pages", ErrDamaged, n)
	}
	if err != nil {
		return err
	}
	s, err := open(path, Options{ReadOnly: true, Timeout: 1})
	if err != nil {
		return err
	}
	defer s.Close()
	err = dbfile.CheckFile(ctx, path, isLarge, &valueCheck{report: count}, nil, func(done, total uint64) { progress("values", done, total) })
	if err == nil && n > 0 {
		err = fmt.Errorf("%w: %d of its values", ErrDamaged, n)
	}
	if err != nil {
		return err
	}
	return s.View(func(sn *Snap) (err error) {
		*st, err = sn.Stats()
		return err
	})
}
