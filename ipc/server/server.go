// Package server answers the requests of package ipc over a unix socket, using net/http.
// It knows nothing of the index; a Daemon does the work.
//
// A connection costs two of net/http's goroutines while a request is in progress (one
// works, the other notices when the client goes away), one otherwise, and none while it
// waits to be served. The other goroutines are Serve's caller, one that accepts
// connections, and one more during a shutdown.
//
// No user can keep others out, with connections, requests or large bodies; see listener
// and fairSemaphore. A slow reader holds one page; see exec.Sink.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"indexd/ipc/wire"
)

// Options configure a Server. The zero value of each field means its default.
type Options struct {
	Version string // the daemon's; sent in every answer
	Logger  *slog.Logger

	// MaxConns is how many connections are served at once, and MaxWaiting how many may wait
	// for that. A user may take no more of either than are left. The defaults are 1024 and
	// 8192, or what the limit of open files allows.
	MaxConns, MaxWaiting int
	// MaxPerUID is how many requests of one user are worked on at once; more are queued. The
	// default is twice the number of processors, but from 4 to 16. For all users together it
	// is twice as many, of which a user may take no more than are left.
	MaxPerUID     int
	MaxWork       time.Duration // per request, not counting waits; 10 min
	MaxBody       int64         // bytes in the body of a request; 4 MiB
	MaxHeader     int           // bytes in the header of a request; 64 KiB
	ReadTimeout   time.Duration // for the header of a request, and again for its body; 10 s
	IdleTimeout   time.Duration // between two requests on a connection; 15 s
	WriteTimeout  time.Duration // for each page; a slower reader is dropped; 24 h
	Grace         time.Duration // for answers in progress at a shutdown; 1 s
	PageSize      int           // bytes at which a page is full; 64 KiB
	FirstPageSize int           // the same for the first page of an answer; 8 KiB

	// Set by tests; by default peerOf asks the kernel, and unresponsive is 5 s.
	peerOf       func(net.Conn) (Peer, error)
	unresponsive time.Duration
}

// withDefaults returns o with its defaults.
//
// A slow reader holds one page, so all of them together hold at most MaxConns times
// PageSize, 64 MiB, and those of one user half of that. A reader that has never taken more
// than the kernel's buffer holds a quarter of a page. Larger pages were no faster.
func (o Options) withDefaults() Options {
	if o.Version == "" {
		o.Version = "unknown"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.peerOf == nil {
		o.peerOf = peerOf
	}
	conns, waiting := connLimits(1024, 8192, openFiles())
	def(&o.MaxConns, conns)
	def(&o.MaxWaiting, waiting)
	def(&o.MaxPerUID, min(max(2*runtime.GOMAXPROCS(0), 4), 16))
	def(&o.unresponsive, unresponsive)
	def(&o.MaxWork, 10*time.Minute)
	def(&o.MaxBody, 4<<20)
	def(&o.MaxHeader, 64<<10)
	def(&o.ReadTimeout, 10*time.Second)
	def(&o.IdleTimeout, 15*time.Second)
	def(&o.WriteTimeout, 24*time.Hour)
	def(&o.Grace, time.Second)
	def(&o.PageSize, 64<<10)
	def(&o.FirstPageSize, 8<<10)
	return o
}

var ownUID = uint32(os.Geteuid())

// trusted reports whether uid is root or the daemon's own user, for whom there is a
// reserve.
func trusted(uid uint32) bool { return uid == 0 || uid == ownUID }

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Server serves one Daemon on one listener. Use New to create it.
type Server struct {
	daemon Daemon
	opt    Options
	log    *slog.Logger
	http   *http.Server
	slots  *fairSemaphore
	quick  *fairSemaphore // for requests that take no time
	long   *fairSemaphore // for checks, which may take minutes
	large  *fairSemaphore // for requests with a large body
	sorts  *fairSemaphore // for answers that are sorted in memory
	stats  stats

	// stopping is done when a shutdown begins; requests that wait then end. working is done
	// when its grace is over. The cause of both is wire.ErrStopping.
	stopping, working context.Context
	stop, stopWork    context.CancelCauseFunc

	mu       sync.Mutex
	listener *listener
	conns    sync.WaitGroup // goroutines of connections
	shut     sync.WaitGroup // the shutdown that Serve began
}

// How many requests of special kinds one user may have in progress; for all users
// together it is twice as many.
const (
	maxQuick = 8
	maxLong  = 2
	maxLarge = 2 // requests with a body of more than smallBody bytes
	maxSorts = 4

	smallBody = 16 << 10
)

// New returns a Server for d.
func New(d Daemon, o Options) *Server {
	o = o.withDefaults()
	s := &Server{
		daemon: d,
		opt:    o,
		log:    o.Logger,
		slots:  newFairSemaphore(o.MaxPerUID, 2*o.MaxPerUID, trusted),
		quick:  newFairSemaphore(maxQuick, 2*maxQuick, trusted),
		long:   newFairSemaphore(maxLong, 2*maxLong, trusted),
		large:  newFairSemaphore(maxLarge, 2*maxLarge, trusted),
		sorts:  newFairSemaphore(maxSorts, 2*maxSorts, trusted),
	}
	s.stopping, s.stop = context.WithCancelCause(context.Background())
	s.working, s.stopWork = context.WithCancelCause(context.Background())
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: o.ReadTimeout,
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    o.MaxHeader,
		// "OPTIONS *" is answered like any other unknown request.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		BaseContext:                  func(net.Listener) context.Context { return s.working },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				s.conns.Done()
			}
		},
	}
	return s
}

// connKey is the key of the *conn in the context of a request.
type connKey struct{}

// Serve answers requests on l until Shutdown is called or ctx is done, which starts a
// Shutdown that may take ten times Options.Grace. It closes l and returns when all its
// goroutines have ended. After a shutdown it returns nil. It must be called only once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	limited := newListener(l, s)
	s.mu.Lock()
	if s.listener != nil {
		s.mu.Unlock()
		return errors.New("server: Serve was called before")
	}
	s.listener = limited
	s.mu.Unlock()
	go limited.accept()

	s.shut.Add(1)
	unhook := context.AfterFunc(ctx, func() {
		defer s.shut.Done()
		limit, cancel := context.WithTimeout(context.Background(), 10*s.opt.Grace)
		defer cancel()
		_ = s.Shutdown(limit)
	})
	err := s.http.Serve(limited)
	if unhook() {
		s.shut.Done()
	}
	if !errors.Is(err, http.ErrServerClosed) {
		s.stop(wire.ErrStopping)
		s.stopWork(wire.ErrStopping)
		s.http.Close()
	} else {
		err = nil
	}
	limited.Close()
	<-limited.ended
	s.shut.Wait()
	s.conns.Wait()
	return err
}

// Shutdown accepts no more connections, ends waiting requests with wire.ErrStopping, and
// gives other answers Options.Grace before it ends them as well. It returns when all
// connections are closed. If ctx is done first, it closes them and returns ctx's cause.
//
// The Daemon must remain usable until Serve has returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop(wire.ErrStopping)
	over := func() {
		s.stopWork(wire.ErrStopping)
		s.mu.Lock()
		l := s.listener
		s.mu.Unlock()
		if l != nil {
			l.closeIdle()
		}
	}
	grace := time.AfterFunc(s.opt.Grace, over)
	defer grace.Stop()
	// During its own Shutdown, net/http drops requests that it reads without an answer. So
	// requests on connections that were accepted are answered first.
	s.mu.Lock()
	l := s.listener
	s.mu.Unlock()
	if l != nil {
		l.stopAccepting()
		l.awaitHandled(s.working.Done(), ctx.Done())
	}
	if err := s.http.Shutdown(ctx); err != nil && ctx.Err() != nil {
		over()
		s.http.Close()
		return fmt.Errorf("shutdown: %w", context.Cause(ctx))
	}
	return nil
}
