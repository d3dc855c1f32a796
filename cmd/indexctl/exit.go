package main

import (
	"errors"
	"fmt"
	"syscall"

	"indexd/internal/getopt"
	"indexd/internal/query"
	"indexd/ipc/wire"
)

// status is what indexctl exits with.
type status int

// The statuses, of which the one that stands first here wins where several
// apply. brokenPipe is what a shell says of a command that SIGPIPE has ended.
const (
	usage      status = 2 // wrong usage or query
	failure    status = 3 // daemon not reached, or it refuses, or the answer was cut off
	stale      status = 4 // the part asked about is not up to date, or not indexed
	nothing    status = 1 // nothing found, differences found, a part failed
	done       status = 0
	brokenPipe status = 141
)

// exitError ends a command with a status that its cause does not tell.
type exitError struct {
	status status
	err    error // nil: there is nothing to say
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &exitError{usage, fmt.Errorf(format, args...)}
}

// statusOf is the status that an error stands for.
func statusOf(err error) status {
	var exit *exitError
	var unknownFlag *getopt.Error
	var unknownCommand *commandError
	var syntax *query.SyntaxError
	switch {
	case err == nil:
		return done
	case errors.Is(err, syscall.EPIPE):
		return brokenPipe
	case errors.As(err, &exit):
		return exit.status
	case errors.As(err, &unknownFlag), errors.As(err, &unknownCommand), errors.As(err, &syntax),
		errors.Is(err, wire.ErrBadQuery), errors.Is(err, wire.ErrBadRequest):
		return usage
	case errors.Is(err, wire.ErrOutside):
		return stale
	case errors.Is(err, wire.ErrNotFound):
		return nothing
	}
	return failure
}

// report says on stderr what went wrong, if anything, and returns the exit
// status. cmd is the command that was asked for; nil if there was none.
func (p *program) report(err error, cmd *command) status {
	s := statusOf(err)
	var syntax *query.SyntaxError
	var problem *wire.Problem
	switch {
	case err == nil:
		return p.status
	case s == brokenPipe || err.Error() == "":
	case errors.As(err, &syntax):
		p.point(syntax)
	case errors.Is(err, wire.ErrBadQuery) && errors.As(err, &problem) && problem.Text != "":
		p.point(&query.SyntaxError{Text: problem.Text, Pos: problem.Pos, Msg: problem.Error(), Hint: problem.Hint})
	default:
		p.say("%s%s", err, hint(err, cmd))
	}
	return s
}

// hint is where to look after a word that indexctl does not know.
func hint(err error, cmd *command) string {
	var unknownFlag *getopt.Error
	switch {
	case statusOf(err) != usage:
		return ""
	case cmd == nil:
		return ` (see "indexctl --help")`
	case errors.As(err, &unknownFlag) && cmd.takes != "" && unknownFlag.Unknown():
		return fmt.Sprintf(` (see "indexctl %s --help"; "--" goes before arguments that begin with "-")`, cmd.name)
	}
	return fmt.Sprintf(` (see "indexctl %s --help")`, cmd.name)
}

// point prints what is wrong with a query and where.
func (p *program) point(err *query.SyntaxError) {
	p.say("%s", err.Msg)
	p.stderr.WriteString(err.Detail())
}
