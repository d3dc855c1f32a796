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
	"indexd/internal/terminal"
	"indexd/ipc/wire"
)

type rescanFlags struct{ wait, verbose, json bool }

func (p *program) rescanCommand() *cli.Command {
	var f rescanFlags
	return &cli.Command{
		Usage:     "list directories again",
		ArgsUsage: "[PATH...]",
		Description: "Asks indexd to list PATHs (default: all roots) and everything below them again, and prints\n" +
			"the id of the job. With --wait, prints one result per PATH, in the order given. The exit\n" +
			"status is 1 if a PATH or a directory below it could not be listed.",
		Flags: cmdline.Flags([]*getopt.Flag{
			{Name: "wait", Usage: "wait until the job has ended; Ctrl-C cancels it", Set: getopt.On(&f.wait)},
			{Name: "verbose", Aliases: []string{"v"}, Usage: "print each directory on stderr as it is listed; implies --wait", Set: getopt.On(&f.verbose)},
			jsonFlag(&f.json),
		}),
		Action: func(c *cli.Context) error {
			paths, err := operands(c, 0, -1, "PATHs")
			if err != nil {
				return err
			}
			return p.rescan(paths, f)
		},
	}
}

func (p *program) rescan(paths []string, f rescanFlags) error {
	req := &wire.RescanRequest{Wait: f.wait || f.verbose}
	for _, path := range paths {
		abs, err := absoluteTree(path)
		if err != nil {
			return err
		}
		req.Paths = append(req.Paths, abs)
	}
	if !req.Wait {
		job, err := p.Client().Rescan(context.Background(), req, nil)
		if err != nil {
			return err
		}
		return p.printStarted(&job, req.Paths, f)
	}

	// From here on, the job must end with this process.
	ctx, stop := untilSignal()
	defer stop()
	w := jobWatcher{p: p, rescanFlags: f}
	if !f.json && !f.verbose {
		w.progress = newProgress(p.Stderr)
	}
	job, err := p.Client().Rescan(ctx, req, w.event)
	w.progress.clear()
	if ctx.Err() != nil {
		stop() // so that a second Ctrl-C does not wait for the cancellation
		p.cancelOwn(w.id)
		return context.Cause(ctx)
	}
	return w.end(&job, err)
}

// printStarted prints the id of a job that is not waited for, and on stderr the paths that
// will not be listed.
func (p *program) printStarted(job *wire.Job, paths []string, f rescanFlags) error {
	if f.json {
		p.PrintJSON(job)
	} else {
		fmt.Fprintln(p.Out, job.ID)
	}
	reported := map[int]bool{}
	for i := range job.Results {
		if r := &job.Results[i]; r.State == wire.JobFailed {
			reported[r.Index] = true
			p.Status = console.Nothing
			p.Say("%s", resultText(r))
		}
	}
	// The daemon learns only later that a path does not exist. It is asked all the same, because
	// the path may still be in the index.
	for i, path := range paths {
		if !reported[i] && missing(path) {
			p.Status = console.Nothing
			p.Say("%s: %s", path, wire.NotIndexed)
		}
	}
	return nil
}

// cancelOwn cancels the job that this process started. The daemon also does that when the
// connection is closed; cancelOwn returns when it is done.
func (p *program) cancelOwn(id uint64) {
	if id == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := p.Client().Cancel(ctx, id); err != nil && !errors.Is(err, wire.ErrNotFound) {
		p.Say("job %d: %v", id, err)
	}
}

// jobWatcher prints the events of a job.
type jobWatcher struct {
	p *program
	rescanFlags
	progress *progress // nil: none
	id       uint64    // of the job; 0 until it is known
}

func (w *jobWatcher) event(e *wire.JobEvent) error {
	switch {
	case e.Job != nil:
		w.id = e.Job.ID
	case e.Dir != nil && w.verbose:
		line := fmt.Appendf(nil, "worker %d: %d files in ", e.Dir.Worker, e.Dir.Files)
		line = terminal.AppendEscaped(line, []byte(e.Dir.Dir))
		if _, err := w.p.Stderr.Write(append(line, '\n')); err != nil {
			return err
		}
	case e.Path != nil:
		w.progress.clear()
		return w.result(e.Path)
	case e.Progress != nil:
		w.progress.show(e.Progress)
	}
	return nil
}

// result prints the result for one path at once.
func (w *jobWatcher) result(r *wire.PathResult) error {
	if r.State != wire.JobDone || r.Errors > 0 {
		w.p.Status = console.Nothing
	}
	if w.json {
		w.p.PrintJSON(r)
	} else {
		fmt.Fprintln(w.p.Out, resultText(r))
	}
	return w.p.Out.Flush()
}

// end sets the exit status for the whole job.
func (w *jobWatcher) end(job *wire.Job, err error) error {
	switch {
	case err != nil:
		return err
	case job.State == wire.JobCancelled:
		return &console.Error{Status: console.Nothing, Err: fmt.Errorf("job %d was cancelled", job.ID)}
	case job.State == wire.JobFailed:
		w.p.Status = console.Nothing
	}
	return nil
}

// resultText returns a line about one path. It is always escaped, because scripts do not read
// the path from it.
func resultText(r *wire.PathResult) string {
	path := terminal.Escape(r.Path)
	why := ""
	if r.Error != "" {
		why = ": " + terminal.Escape(r.Error)
	}
	switch {
	case r.State == wire.JobCancelled:
		return path + ": cancelled" + why
	case r.State == wire.JobFailed && r.Error != "" && r.Dirs == 0:
		return path + why
	}
	line := fmt.Sprintf("%s: %s in %s", path, counted(r.Entries, "file", "files"), counted(r.Dirs, "directory", "directories"))
	if r.Errors > 0 {
		line += fmt.Sprintf(", %s%s", counted(r.Errors, "error", "errors"), why)
	}
	return line
}

// counted returns n and the noun in the right form.
func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
