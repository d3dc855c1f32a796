package console

import (
	"errors"
	"fmt"
	"syscall"

	"indexd/internal/getopt"
	"indexd/internal/query"
	"indexd/ipc/wire"
)

// Status is the exit status of indexctl.
type Status int

// The statuses, highest precedence first. BrokenPipe is the status that a shell reports for
// a command that SIGPIPE ended.
const (
	Usage      Status = 2 // wrong usage or query
	Failure    Status = 3 // the daemon cannot be reached or refuses, or the answer was cut off
	Stale      Status = 4 // the part asked about is not up to date or not indexed
	Nothing    Status = 1 // nothing found, differences found, or a part failed
	Done       Status = 0
	BrokenPipe Status = 141
)

// Error is an error with its own exit status. If Err is nil, nothing is printed.
type Error struct {
	Status Status
	Err    error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Usagef returns an error about wrong usage.
func Usagef(format string, args ...any) error {
	return &Error{Usage, fmt.Errorf(format, args...)}
}

// StatusOf returns the exit status for an error.
func StatusOf(err error) Status {
	var exit *Error
	var flag *getopt.Error
	var syntax *query.SyntaxError
	switch {
	case err == nil:
		return Done
	case errors.Is(err, syscall.EPIPE):
		return BrokenPipe
	case errors.As(err, &exit):
		return exit.Status
	case errors.As(err, &flag), errors.As(err, &syntax), errors.Is(err, wire.ErrBadQuery), errors.Is(err, wire.ErrBadRequest):
		return Usage
	case errors.Is(err, wire.ErrOutside):
		return Stale
	case errors.Is(err, wire.ErrNotFound):
		return Nothing
	}
	return Failure
}

// End flushes the output, prints what went wrong on stderr, if anything, and returns the
// exit status. command and takes are the name and the operands of the command that was asked
// for, or empty if there was none.
func (c *Console) End(err error, command, takes string) Status {
	if ferr := c.Out.Flush(); ferr != nil && StatusOf(err) == Done {
		err = ferr
	}
	s := StatusOf(err)
	var syntax *query.SyntaxError
	var problem *wire.Problem
	switch {
	case err == nil:
		return c.Status
	case s == BrokenPipe || err.Error() == "":
	case errors.As(err, &syntax):
		c.point(syntax)
	case errors.Is(err, wire.ErrBadQuery) && errors.As(err, &problem) && problem.Text != "":
		c.point(&query.SyntaxError{Text: problem.Text, Pos: problem.Pos, Msg: problem.Error(), Hint: problem.Hint})
	default:
		c.Say("%s%s", err, hint(err, command, takes))
	}
	return s
}

// hint says where to find help after wrong usage.
func hint(err error, command, takes string) string {
	var flag *getopt.Error
	switch {
	case StatusOf(err) != Usage:
		return ""
	case command == "":
		return ` (see "indexctl --help")`
	case errors.As(err, &flag) && takes != "" && flag.Unknown():
		return fmt.Sprintf(` (see "indexctl %s --help"; "--" goes before arguments that begin with "-")`, command)
	}
	return fmt.Sprintf(` (see "indexctl %s --help")`, command)
}

// point prints what is wrong with a query and points at the place.
func (c *Console) point(err *query.SyntaxError) {
	c.Say("%s", err.Msg)
	_, _ = c.Stderr.WriteString(err.Detail())
}
