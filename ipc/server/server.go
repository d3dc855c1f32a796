// Package server answers package ipc's requests over a unix socket with
// net/http. It knows nothing of the index: a Daemon does the work.
//
// A connection costs two goroutines while a request is in work (net/http's own:
// one works, the other sees when the client goes away) and one otherwise, none
// while it waits to be served. The rest are Serve's caller, one that takes
// connections and, during a shutdown, one more.
//
// Nobody can keep others out, whether with connections, requests or large
// bodies: see listener and turns. What a slow reader holds is one page: see Sink.
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

// Options are set before New. The zero value of each means its default.
type Options struct {
	Version string // the daemon's, told in every answer
	Logger  *slog.Logger

	// MaxConns is how many connections are served at once and MaxWaiting how many
	// may wait for that; of either a uid may take no more than are left. 1024
	// and 8192, or what the limit of open files allows.
	MaxConns, MaxWaiting int
	// MaxPerUID is how many requests of one uid are in work at once, beyond
	// which they queue: twice the processors, from 4 to 16. Of all uids
	// together it is twice as many, of which one may take no more than are left.
	MaxPerUID     int
	MaxWork       time.Duration // of one request, not counting waits; 10 min
	MaxBody       int64         // bytes of a request's body; 4 MiB
	MaxHeader     int           // bytes of a request's header; 64 KiB
	ReadTimeout   time.Duration // for a request's header, and again for its body; 10 s
	IdleTimeout   time.Duration // between two requests on a connection; 15 s
	WriteTimeout  time.Duration // for each write, then the reader is dropped; 24 h
	Grace         time.Duration // for answers under way in a shutdown; 1 s
	PageSize      int           // bytes from which a page is full; 64 KiB
	FirstPageSize int           // the same for the first page of an answer; 8 KiB

	// A test's; zero: the kernel is asked, 5 s.
	peerOf       func(net.Conn) (Peer, error)
	unresponsive time.Duration
}

// withDefaults fills in what is zero.
//
// A connection that is read slowly holds one page, so MaxConns times PageSize
// is what all of them can take, 64 MiB, and one uid half of it. A reader that
// has never taken more than the kernel's buffer holds a quarter of a page.
// Larger pages were no faster.
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

// trusted are root and the daemon's own uid, which have a reserve.
func trusted(uid uint32) bool { return uid == 0 || uid == ownUID }

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Server serves one Daemon on one listener.
type Server struct {
	daemon Daemon
	opt    Options
	log    *slog.Logger
	http   *http.Server
	turns  *fairSemaphore
	quick  *fairSemaphore // of requests that are done at once
	long   *fairSemaphore // of checks, which may take minutes
	large  *fairSemaphore // of requests with a large body
	sorts  *fairSemaphore // of answers that are sorted in memory
	stats  stats

	// stopping is done when a shutdown begins: waiters are told, and requests
	// that come now and would wait are. working is done when its grace is over. The cause of
	// both is ipc.ErrStopping.
	stopping, working context.Context
	stop, stopWork    context.CancelCauseFunc

	mu       sync.Mutex
	listener *listener
	conns    sync.WaitGroup // connections' goroutines
	shut     sync.WaitGroup // the shutdown that Serve began
}

// What a uid may have at once of what is not work; in all it is twice as many.
const (
	maxQuick = 8
	maxLong  = 2
	maxLarge = 2 // requests with a body of more than smallBody bytes
	maxSorts = 4

	smallBody = 16 << 10
)

// New returns a Server; Serve starts it.
func New(d Daemon, o Options) *Server {
	o = o.withDefaults()
	s := &Server{
		daemon: d,
		opt:    o,
		log:    o.Logger,
		turns:  newFairSemaphore(o.MaxPerUID, 2*o.MaxPerUID, trusted),
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
		// A request of "OPTIONS *" is answered by us, as any that we do not know.
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

type connKey struct{}

// PeerFrom is the peer of the request whose context ctx is.
func PeerFrom(ctx context.Context) (p Peer, ok bool) {
	c, ok := ctx.Value(connKey{}).(*conn)
	if ok {
		p = c.peer
	}
	return p, ok
}

// Serve answers on l, which it closes, until Shutdown is called or ctx is done,
// which is a Shutdown that may take ten times Options.Grace. It returns when
// every goroutine that it started has ended; nil after a shutdown. It is called
// once.
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
		s.Shutdown(limit)
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

// Shutdown takes no more connections, tells every waiter (ipc.ErrStopping), lets
// other answers go on for Options.Grace and then ends them too. It returns when
// all connections are closed. When ctx is done first, it closes them and
// returns ctx's cause.
//
// What the Daemon works with must live until Serve has returned.
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
	// net/http drops the requests that it reads in a Shutdown, without a word. So
	// first those are answered that were accepted.
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
