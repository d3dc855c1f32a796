package store

import (
	"context"
	"errors"
	"fmt"
	"indexd/store/internal/codec"
	"log/slog"
)

// Verify checks a database that no daemon has open, without writing to it, and
// returns what is in it. report gets whatever is wrong: each page, or, where all
// pages hold together, each value. tell is told now and then how far it is, and of
// how much; both may be nil. The error is one of those of Open, ErrLocked at once,
// or ctx's; ErrDamaged comes after reports, and ErrOlderSchema where nothing but
// the pages can be checked, which are in order.
func Verify(ctx context.Context, path string, report func(Problem), tell func(what string, done, total uint64)) (st Stats, err error) {
	if report == nil {
		report = func(Problem) {}
	}
	if tell == nil {
		tell = func(string, uint64, uint64) {}
	}
	err = verify(ctx, path, report, tell, &st)
	if err != nil && context.Cause(ctx) == nil {
		err = fmt.Errorf("verify %s: %w", path, err)
	}
	return st, err
}

func verify(ctx context.Context, path string, report func(Problem), tell func(string, uint64, uint64), st *Stats) error {
	f, err := openPlain(path, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	pages := 0
	c := pageCheck{all: true, tell: func(done, total uint64) { tell("pages", done, total) }}
	c.report = func(err error) {
		pages++
		report(Problem{"pages", unwrapped(err)})
	}
	if err := c.check(ctx, f); err != nil {
		return err
	}
	if pages > 0 {
		return fmt.Errorf("%w: %d of its pages", ErrDamaged, pages)
	}
	s, err := open(path, Options{ReadOnly: true, Timeout: 1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer s.Close()
	s.sound = true
	s.tell = func(done, total uint64) { tell("directories", done, total) }
	err = s.Check(ctx, report)
	if err == nil {
		err = s.View(func(sn *Snap) (err error) {
			*st, err = sn.Stats()
			return err
		})
	}
	if errors.Is(err, codec.ErrCorrupt) { // which was reported
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// unwrapped is the text of an ErrDamaged without what it begins with.
func unwrapped(err error) string {
	text := err.Error()
	if n := len(ErrDamaged.Error()) + 2; len(text) > n {
		return text[n:]
	}
	return text
}
