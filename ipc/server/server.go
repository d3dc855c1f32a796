// Package server answers package ipc's requests over a unix socket with
// net/http. It knows nothing of the index: a Daemon does the work.
//
// A connection costs two goroutines while a request is in work (net/http's own:
// one works, the other sees when the client goes away) and one otherwise. The
// rest are Serve's caller and, during a shutdown, one more.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"indexd/ipc"
)

// Options are set before New. The zero value of each means its default.
type Options struct {
	Version string // the daemon's, told in every answer
	Logger  *slog.Logger

	MaxConns      int           // at once; beyond it new ones wait in the kernel's queue; 512
	MaxPerUID     int           // requests of one uid in work at once; beyond it they queue; 16
	MaxBody       int64         // bytes of a request's body; 4 MiB
	MaxHeader     int           // bytes of a request's header; 64 KiB
	ReadTimeout   time.Duration // for a request's header, and again for its body; 10 s
	IdleTimeout   time.Duration // between two requests on a connection; 15 s
	WriteTimeout  time.Duration // for each write; a slower reader is dropped; 1 min
	Grace         time.Duration // for answers under way in a shutdown; 1 s
	PageSize      int           // bytes from which a page is full; 64 KiB
	FirstPageSize int           // the same for the first page of an answer; 8 KiB
}

// withDefaults fills in what is zero.
//
// A connection that is read slowly holds one page, so MaxConns times PageSize
// is what all of them can take: 32 MiB. Larger pages were no faster.
func (o Options) withDefaults() Options {
	if o.Version == "" {
		o.Version = "unknown"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	def(&o.MaxConns, 512)
	def(&o.MaxPerUID, 16)
	def(&o.MaxBody, 4<<20)
	def(&o.MaxHeader, 64<<10)
	def(&o.ReadTimeout, 10*time.Second)
	def(&o.IdleTimeout, 15*time.Second)
	def(&o.WriteTimeout, time.Minute)
	def(&o.Grace, time.Second)
	def(&o.PageSize, 64<<10)
	def(&o.FirstPageSize, 8<<10)
	return o
}

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
	turns  *turns
	large  chan struct{} // one in it for each large body that is being read
	stats  stats

	// stopping is done when a shutdown begins: waiters are told, and requests
	// that come now are. working is done when its grace is over. The cause of
	// both is ipc.ErrStopping.
	stopping, working context.Context
	stop, stopWork    context.CancelCauseFunc

	mu       sync.Mutex
	listener *listener
	conns    sync.WaitGroup // connections' goroutines
	shut     sync.WaitGroup // the shutdown that Serve began
}

// largeBodies is how many bodies of more than smallBody bytes are read at once.
const (
	smallBody   = 64 << 10
	largeBodies = 4
)

// New returns a Server; Serve starts it.
func New(d Daemon, o Options) *Server {
	o = o.withDefaults()
	s := &Server{
		daemon: d,
		opt:    o,
		log:    o.Logger,
		turns:  newTurns(o.MaxPerUID),
		large:  make(chan struct{}, largeBodies),
	}
	s.stopping, s.stop = context.WithCancelCause(context.Background())
	s.working, s.stopWork = context.WithCancelCause(context.Background())
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: o.ReadTimeout,
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    o.MaxHeader,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return s.working },
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
		s.stop(ipc.ErrStopping)
		s.stopWork(ipc.ErrStopping)
		s.http.Close()
	} else {
		err = nil
	}
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
	s.stop(ipc.ErrStopping)
	over := func() {
		s.stopWork(ipc.ErrStopping)
		s.mu.Lock()
		l := s.listener
		s.mu.Unlock()
		if l != nil {
			l.hurry()
		}
	}
	grace := time.AfterFunc(s.opt.Grace, over)
	defer grace.Stop()
	if err := s.http.Shutdown(ctx); err != nil && ctx.Err() != nil {
		over()
		s.http.Close()
		return fmt.Errorf("shutdown: %w", context.Cause(ctx))
	}
	return nil
}
