package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"indexd/cmd/indexctl/internal/console"
)

// untilSignal returns a context that is cancelled by the first signal to end this process. Its
// cause is a console.Error with the exit status that shells use for that signal. Signals that
// are ignored, as under nohup, stay ignored. After stop, signals kill the process again.
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
