package synth

import (
	"context"

	"indexd/store"
)

// Merged counts what Merge did.
type Merged struct {
	Merges, Steps int
	MaxStep       int // estimated bytes written by the largest step
}

// Merge performs the due merges of the postings of s, each step in its own transaction;
// see store.Store.NextMerge. between, unless it is nil, is called before each step.
func Merge(s *store.Store, idle bool, between func() error) (sum Merged, err error) {
	for {
		m, err := s.NextMerge(false, idle)
		if m == nil || err != nil {
			return sum, err
		}
		sum.Merges++
		err = m.Run(context.Background(), func(step store.Step) error {
			if between != nil {
				if err := between(); err != nil {
					return err
				}
			}
			sum.Steps++
			sum.MaxStep = max(sum.MaxStep, step.Bytes)
			tx, err := s.Begin()
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if err := step.Do(tx); err != nil {
				return err
			}
			return tx.Commit()
		})
		if err != nil {
			return sum, err
		}
		idle = false
	}
}
