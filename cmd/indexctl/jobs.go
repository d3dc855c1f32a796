package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"indexd/cmd/indexctl/internal/console"
	"indexd/internal/terminal"
	"indexd/ipc/wire"
)

func (p *program) jobsCommand() *cli.Command {
	return &cli.Command{
		Usage:       "list running and finished rescans",
		ArgsUsage:   "[ID]",
		Description: "Lists the running rescans, then those that ended recently. With ID, shows one rescan.",
		Action: func(c *cli.Context) error {
			id, err := jobID(c, 0)
			switch {
			case err != nil:
				return err
			case c.Args().Len() == 0:
				return p.jobs()
			}
			return p.job(id)
		},
	}
}

func (p *program) cancelCommand() *cli.Command {
	return &cli.Command{
		Usage:     "cancel a rescan",
		ArgsUsage: "ID",
		Action: func(c *cli.Context) error {
			id, err := jobID(c, 1)
			if err != nil {
				return err
			}
			job, err := p.Client().Cancel(context.Background(), id)
			if err != nil {
				return jobError(id, err)
			}
			if job.State != wire.JobCancelled && job.State.Ended() {
				return &console.Error{Status: console.Nothing, Err: fmt.Errorf("job %d has ended already: %s", id, job.State)}
			}
			return nil
		},
	}
}

// jobID returns the only operand, or 0 if there may be and are none.
func jobID(c *cli.Context, least int) (uint64, error) {
	args, err := operands(c, least, 1, "one ID")
	if err != nil || len(args) == 0 {
		return 0, err
	}
	id, err := strconv.ParseUint(args[0], 10, 64)
	if err != nil {
		return 0, console.Usagef("%q is not the id of a job", args[0])
	}
	return id, nil
}

// jobError adds the id of the job to an error that may lack it.
func jobError(id uint64, err error) error {
	if console.StatusOf(err) == console.Nothing {
		return fmt.Errorf("job %d: %w", id, err)
	}
	return err
}

func (p *program) jobs() error {
	jobs, err := p.Client().Jobs(context.Background())
	if err != nil {
		return err
	}
	t := table{right: []int{0, 3, 4, 5}}
	t.row("ID", "STATE", "STARTED", "DIRS", "FILES", "ERRORS", "PATHS")
	for i := range jobs {
		j := &jobs[i]
		t.row(j.ID, j.State, stamp(j.Created), j.Progress.Dirs, j.Progress.Entries, j.Progress.Errors, jobPaths(j))
	}
	t.print(p.Out)
	return nil
}

func (p *program) job(id uint64) error {
	j, err := p.Client().Job(context.Background(), id)
	if err != nil {
		return jobError(id, err)
	}
	var t table
	t.row("id", j.ID)
	t.row("state", j.State)
	t.row("started", stamp(j.Created)+" by "+newUsers().name(j.UID))
	if j.Resumed {
		t.row("resumed", "yes, after a restart of indexd")
	}
	if j.Ended != nil {
		t.row("ended", fmt.Sprintf("%s, after %s", stamp(*j.Ended), j.Ended.Sub(j.Created).Round(time.Millisecond)))
	} else {
		t.row("to go", counted(j.Progress.Queued, "directory", "directories"))
	}
	t.row("listed", fmt.Sprintf("%s in %s, %s", counted(j.Progress.Entries, "file", "files"),
		counted(j.Progress.Dirs, "directory", "directories"), counted(j.Progress.Errors, "error", "errors")))
	t.row("paths", jobPaths(&j))
	t.print(p.Out)
	for i := range j.Results {
		fmt.Fprintf(p.Out, "  %s\n", resultText(&j.Results[i]))
	}
	return nil
}

func jobPaths(j *wire.Job) string {
	if len(j.Paths) == 0 {
		return "all roots"
	}
	return terminal.Escape(strings.Join(j.Paths, " "))
}
