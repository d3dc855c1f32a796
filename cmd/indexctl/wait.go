package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"indexd/cmd/indexctl/internal/console"
	"indexd/internal/cmdline"
	"indexd/internal/getopt"
	"indexd/ipc"
)

// startGrace is how long wait retries to reach a daemon that may be starting.
const startGrace = 2 * time.Second

func (p *program) waitCommand() *cli.Command {
	var ready bool
	var timeout time.Duration
	return &cli.Command{
		Usage: "wait until the index is complete",
		Description: "Returns when every root has been listed completely once, all planned watches are in place\n" +
			"and nothing is pending. If the daemon is not there yet, waits up to 2 s for it.",
		Flags: cmdline.Flags([]*getopt.Flag{
			{Name: "ready", Usage: "do not wait for pending directories", Set: getopt.On(&ready)},
			{Name: "timeout", Value: "D", Usage: `wait no longer than D ("30s", "2m"), then exit with status 4`, Set: getopt.Duration(&timeout)},
		}),
		Action: func(c *cli.Context) error {
			if _, err := operands(c, 0, 0, ""); err != nil {
				return err
			}
			ctx := context.Background()
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			err := p.Client().Wait(ctx, ready)
			var absent error
			for end := time.Now().Add(startGrace); errors.Is(err, ipc.ErrNoDaemon) && time.Now().Before(end); {
				absent = err
				time.Sleep(20 * time.Millisecond)
				err = p.Client().Wait(ctx, ready)
			}
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
				if absent != nil { // is there a daemon by now, which just takes long?
					ctx, cancel := context.WithTimeout(context.Background(), time.Second)
					defer cancel()
					if _, err := p.Client().Status(ctx); errors.Is(err, ipc.ErrNoDaemon) {
						return absent
					}
				}
				return &console.Error{Status: console.Stale, Err: fmt.Errorf("not ready within %s", timeout)}
			}
			return err
		},
	}
}
