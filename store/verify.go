package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"indexd/store/dbfile"
	"indexd/store/record"
)

// The index is a cache, so damage is not repaired. A listing whose entries do not match their
// checksum is listed again; after any other damage the Store gives nothing out any more, and
// the caller puts the file aside and begins a new one.

// corrupt notes that a value does not match its checksum, and returns ErrDamaged.
func (s *Store) corrupt(bucket, key []byte) error {
	err := fmt.Errorf("%w: the value of %x in %s", ErrDamaged, key, bucket)
	s.NoteDamage(err)
	return err
}

// Verify checks all pages and the checksums of all values, unless that was done since Open or
// RequestVerify. It returns the directories whose listings are damaged, each once, for the
// caller to list again, and ErrDamaged for any other damage, or ctx's error. Meanwhile the
// writer waits; snapshots do not.
func (s *Store) Verify(ctx context.Context) (damaged []record.Key, err error) {
	err = s.File.Verify(ctx)
	s.relistMu.Lock()
	defer s.relistMu.Unlock()
	damaged, s.relist = s.relist, nil
	return damaged, err
}

// valueCheck checks the values of a database when the page check comes to them.
type valueCheck struct {
	s        *Store        // whose relist gets the listings; may be nil
	report   func(Problem) // gets each damaged value; if nil, the first is an error
	listings []record.Key  // directories whose entries are damaged, in order
	values   [len(bucketTable)]uint64
	found    [len(bucketTable)]uint64 // as the rows count
	state    state
}

// Bucket implements dbfile.ValueCheck.
func (v *valueCheck) Bucket(name string) func(key, val []byte) error {
	i := bucketIndex(name)
	if i < 0 {
		return nil
	}
	return func(key, val []byte) error { return v.value(i, key, val) }
}

// Done implements dbfile.ValueCheck.
func (v *valueCheck) Done() error {
	if v.s != nil {
		v.s.relistMu.Lock()
		defer v.s.relistMu.Unlock()
		v.s.relist = append(v.s.relist, v.listings...)
	}
	return v.counts(true)
}

func (v *valueCheck) value(i int, key, val []byte) error {
	b := &bucketTable[i]
	n, err := b.verify(key, val)
	v.values[i]++
	v.found[i] += n
	if string(b.name) == string(bucketMeta) && string(key) == string(keyState) && err == nil {
		v.state, err = decodeState(val)
	}
	if errors.Is(err, errEntries) {
		dir, _, _ := record.SplitChunk(key)
		if n := len(v.listings); n == 0 || !v.listings[n-1].Equal(dir) {
			v.listings = append(v.listings, slices.Clone(dir))
		}
	}
	switch {
	case err == nil:
		return nil
	case v.report != nil:
		v.report(Problem{describe(b.name, key), err.Error()})
		return nil
	case errors.Is(err, errEntries):
		return nil
	}
	return fmt.Errorf("has a damaged value, %s", describe(b.name, key))
}

// describe names a value for people.
func describe(bucket, key []byte) string {
	if string(bucket) == string(bucketListings) && len(key) >= 2 {
		dir, first, chunk := record.SplitChunk(key)
		if chunk {
			return fmt.Sprintf("listings %s chunk %q", dir, first)
		}
		return fmt.Sprintf("listings %s", dir)
	}
	return fmt.Sprintf("%s %q", bucket, key)
}

// counts compares the number of things with what the state says. A difference means that
// pages are of different times: the disk has lost a write.
func (v *valueCheck) counts(large bool) error {
	differ := func(where string, found, want uint64) error {
		if found == want {
			return nil
		}
		p := Problem{where, fmt.Sprintf("%d found, %d counted", found, want)}
		if v.report == nil {
			return fmt.Errorf("%w: %v", ErrDamaged, p)
		}
		v.report(p)
		return nil
	}
	for i := range bucketTable {
		b := &bucketTable[i]
		if b.count == nil || b.large && !large {
			continue
		}
		if err := differ(string(b.name), v.found[i], b.count(&v.state)); err != nil {
			return err
		}
	}
	// A block of docs has one of zones.
	docs, zones := bucketIndex(string(bucketDocs)), bucketIndex(string(bucketZones))
	return differ(string(bucketZones), v.values[zones], v.values[docs])
}

// checkSmall checks the values of all small buckets, which decide about everything else.
func checkSmall(b *buckets) error {
	var v valueCheck
	for i := range bucketTable {
		if bucketTable[i].large {
			continue
		}
		err := (*bucketTable[i].of(b)).ForEach(func(k, val []byte) error { return v.value(i, k, val) })
		if err != nil {
			return fmt.Errorf("%w: it %w", ErrDamaged, err)
		}
	}
	return v.counts(false)
}

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
