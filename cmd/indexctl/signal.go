package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"indexd/cmd/indexctl/internal/console"
)

// untilSignal returns a context that is done when this process is told to end;
// its cause is then an exitError with the status that shells give that signal.
// A signal that is ignored stays so (nohup). After stop signals kill again.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go func() { // ends with stop
		select {
		case s := <-signals:
			cancel(&console.Error{Status: 128 + console.Status(s.(syscall.Signal))})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}
