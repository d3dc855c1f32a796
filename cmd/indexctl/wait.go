package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"indexd/ipc"
)

// startGrace is how long wait looks for a daemon that may just have been started.
const startGrace = 2 * time.Second

func (p *program) waitCommand() *command {
	var ready bool
	var timeout time.Duration
	return &command{
		usage: "wait until the index is complete",
		about: "Returns when every root has been listed completely once, what is to be watched\n" +
			"is watched, and nothing is pending. A daemon that is not there yet is waited for, 2 s.",
		flags: []*flag{
			{name: "ready", usage: "do not wait for what is pending", set: on(&ready)},
			{name: "timeout", value: "D", usage: `no longer than this ("30s", "2m"); then exit with 4`, set: duration(&timeout)},
		},
		run: func(args []string) error {
			if _, err := operands("wait", args, 0, 0, ""); err != nil {
				return err
			}
			ctx := context.Background()
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			err := p.client().Wait(ctx, ready)
			var absent error
			for end := time.Now().Add(startGrace); errors.Is(err, ipc.ErrNoDaemon) && time.Now().Before(end); {
				absent = err
				time.Sleep(20 * time.Millisecond)
				err = p.client().Wait(ctx, ready)
			}
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
				if absent != nil { // is it there now, and takes long?
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					defer cancel()
					if _, err := p.client().Status(ctx); errors.Is(err, ipc.ErrNoDaemon) {
						return absent
					}
				}
				return &exitError{stale, fmt.Errorf("not ready within %s", timeout)}
			}
			return err
		},
	}
}
