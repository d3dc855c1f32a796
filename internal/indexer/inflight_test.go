package indexer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// A barrier waits for work that was begun before it and for what results from that, but for
// nothing that was begun later.
func TestEpochs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEpochs()
		if err := e.wait(t.Context()); err != nil {
			t.Error(err)
		}
		old := e.begin()
		met := make(chan error, 1)
		go func() { met <- e.wait(t.Context()) }()
		synctest.Wait()
		late := e.begin()
		if late <= old {
			t.Errorf("%d after %d", late, old)
		}
		e.add(old) // found while it was done
		e.done(old)
		e.add(0)
		e.done(0)
		synctest.Wait()
		select {
		case <-met:
			t.Error("what came of it was not waited for")
		default:
		}
		e.done(old)
		synctest.Wait()
		select {
		case err := <-met:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("it waits for what was begun later")
		}
		why := errors.New("too late")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if err := e.wait(ctx); !errors.Is(err, why) {
			t.Error(err)
		}
		e.done(late)
		if len(e.left) > 0 {
			t.Errorf("%v", e.left)
		}
	})
}
