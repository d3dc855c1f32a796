package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"indexd/internal/cgroup"
	"indexd/internal/config"
	"indexd/internal/indexer"
	"indexd/internal/mounts"
	"indexd/internal/query/exec"
	"indexd/internal/version"
	"indexd/internal/watch"
	"indexd/ipc/server"
	"indexd/store"
)

// process is the running daemon.
type process struct {
	args     config.Args
	cfg      *config.Config // as it was at the start
	limit    int64          // memory limit of its control group in bytes; 0 if none
	sizes    sizes
	console  *console
	log      *slog.Logger
	level    *slog.LevelVar
	notify   *notifier
	testHook func(*indexer.Config) // nil except in tests

	st        *store.Store
	replaced  *quarantined    // the damaged database that st replaces; nil if none
	ballast   *cgroup.Ballast // nil if none is needed or possible
	listener  net.Listener
	inherited bool // from systemd
	x         *indexer.Indexer
	src       *watch.Source // nil if nothing is watched
	unwatched string        // why nothing is watched although it should be
}

// serve runs the daemon until a signal ends it. It changes nothing on disk before it is
// clear that the daemon can run.
func serve(cfg *config.Config, args config.Args, testHook func(*indexer.Config)) error {
	signal.Ignore(unix.SIGPIPE) // when the reader of the log has gone
	signals := catchSignals()
	defer signals.stop()
	limit := cgroup.MemoryLimit()
	p := &process{args: args, cfg: cfg, testHook: testHook, limit: limit, sizes: limitMemory(limit), console: newConsole(os.Stderr), level: new(slog.LevelVar)}
	p.level.Set(cfg.LogLevel)
	p.log = slog.New(logHandler(cfg.LogFormat, p.console, p.level))
	p.notify = &notifier{log: p.log}

	if err := p.open(); err != nil {
		return err
	}
	err := p.index()
	if err == nil {
		p.log.Info("indexd starts", "version", version.Version, "roots", cfg.Roots, "db", cfg.DB, "socket", p.listener.Addr().String(), "config", cfg.File)
		err = p.run(signals)
	}
	if errors.Is(err, errDamaged) {
		return p.restart()
	}
	err = errors.Join(err, p.close())
	p.log.Info("indexd has stopped")
	return err
}

// open opens the socket and the database, or neither.
func (p *process) open() (err error) {
	if p.listener, err = server.Inherited(); err != nil {
		return err
	}
	p.inherited = p.listener != nil
	if p.listener == nil && p.cfg.Socket == "" {
		return errors.New("there is no place for the socket: XDG_RUNTIME_DIR is not set; use --socket")
	}
	if p.listener == nil {
		err := server.Free(p.cfg.Socket)
		if errors.Is(err, server.ErrInUse) {
			return fmt.Errorf("%s: %w", p.cfg.Socket, server.ErrInUse)
		}
		if err != nil {
			return err
		}
	}
	if p.st, err = p.openStore(); err != nil {
		return err
	}
	p.replaced = quarantineOf(p.st)
	if p.listener == nil {
		if p.listener, err = server.Listen(p.cfg.Socket, p.cfg.SocketMode); err != nil {
			p.listener = nil
			return errors.Join(err, p.st.Close())
		}
	}
	return nil
}

// index creates the indexer, and the source of its events unless watching is off or
// impossible.
func (p *process) index() (err error) {
	cfg := p.cfg
	barrierDir := ""
	if cfg.Watch != "off" {
		if p.src, barrierDir, err = p.watch(); err != nil {
			p.log.Warn("changes are not watched; directories are only listed again periodically", "err", err)
			p.unwatched = err.Error()
		}
	}
	icfg := indexer.Config{
		Roots: cfg.Roots, Inner: cfg.Inner, Rules: cfg.Rules, Mounts: mounts.Read,
		Workers: cfg.Workers, RotatingReaders: cfg.RotatingReaders, SweepInterval: cfg.SweepInterval, Log: p.log,
		Watch: p.src, BarrierDir: barrierDir, DB: unlinked(cfg.DB), Socket: unlinked(cfg.Socket),
		Degraded: p.notify.setDegraded, Queue: p.sizes.queue,
	}
	if p.limit > 0 {
		if p.ballast, err = cgroup.NewBallast(filepath.Dir(cfg.DB), p.limit); err == nil {
			icfg.OnAccess = p.ballast.Accessed
		} else {
			p.log.Debug("no page cache is kept as a reserve for when memory is short", "err", err)
		}
	}
	if p.testHook != nil {
		p.testHook(&icfg)
	}
	p.x, err = indexer.New(p.st, icfg)
	if err != nil && p.src != nil {
		err = errors.Join(err, p.src.Close())
	}
	return err
}

// watch creates a source of events. Its directory for barriers is next to the socket,
// which is usually in memory, or else next to the database.
func (p *process) watch() (src *watch.Source, barrierDir string, err error) {
	if p.cfg.Watch == "fanotify" {
		p.log.Warn("fanotify is not supported yet; watching by inotify")
	}
	for _, beside := range []string{p.cfg.Socket, p.cfg.DB} {
		if beside == "" {
			continue
		}
		barrierDir = unlinked(beside) + ".sync"
		src, err = watch.Open(watch.Options{
			BarrierDir: barrierDir, Share: p.cfg.WatchShare, Log: p.log,
			Excluded: func(path string) bool { return p.x.Excluded(path) },
		})
		if err == nil || errors.Is(err, watch.ErrUnavailable) {
			return src, barrierDir, err
		}
	}
	return nil, "", err
}

// unlinked resolves the symbolic links in the directory of path, because events name
// files by such paths.
func unlinked(path string) string {
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); path != "" && err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// close closes what open and index opened.
func (p *process) close() error {
	err := p.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil // the server has closed it
	}
	if p.ballast != nil {
		err = errors.Join(err, p.ballast.Close())
	}
	return errors.Join(err, p.st.Close())
}

// run indexes and serves until a signal ends it.
func (p *process) run(signals *signals) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	indexed := make(chan error, 1)
	go func() { indexed <- p.x.Run(ctx) }()
	stopIndexer := func() error {
		cancel()
		return <-indexed
	}
	for begun := false; !begun; {
		select {
		case <-p.x.Begun():
			begun = true
		case err := <-indexed:
			return err
		case <-p.st.Damaged():
			return errDamaged // Run may never return
		case sig := <-signals.all:
			if sig != unix.SIGHUP { // the configuration has just been read
				signals.end()
				return stopIndexer()
			}
		}
	}

	sctx, stopServer := context.WithCancel(context.Background())
	defer stopServer()
	d := newDaemon(p.st, p.x, p.src, p.cfg, exec.New(p.st, exec.Options{SortMemory: p.sizes.sort}))
	d.unwatched = p.unwatched
	srv := server.New(d, server.Options{Version: version.Version, Logger: p.log})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(sctx, p.listener) }()
	p.notify.ready()
	var dog sync.WaitGroup
	defer dog.Wait()
	dctx, stopDog := context.WithCancel(context.Background())
	defer stopDog()
	if limit := p.notify.watchdogLimit(); limit > 0 {
		w := &watchdog{checks: p.x.HealthChecks(), every: limit / pingsPerLimit, ping: p.notify.ping, log: p.log}
		dog.Go(func() { w.run(dctx) })
	}

	shown := make(chan struct{})
	go func() {
		defer close(shown)
		watchFirstIndex(sctx, p.x, p.console, p.notify)
		debug.FreeOSMemory() // the first index needed more than what follows
	}()

	reload := newReloader(p)
	var err error
	for waiting := true; waiting; {
		select {
		case sig := <-signals.all:
			if sig == unix.SIGHUP {
				reload.request()
				continue
			}
			p.log.Info("stopping", "signal", sig.String())
			waiting = false
		// Neither ends by itself except with an error. It is received again below.
		case err = <-served:
			served <- nil
			waiting = false
		case err = <-indexed:
			indexed <- nil
			waiting = false
		case <-p.st.Damaged():
			p.log.Error("the database is damaged", "err", p.st.Damage())
			stopServer()
			select {
			case err := <-served:
				if err != nil {
					p.log.Warn("serving ended", "err", err)
				}
			case <-time.After(answersGrace):
			}
			return errDamaged // the indexer may never return
		}
	}
	signals.end()
	p.notify.stopping()
	reload.stop()
	// The server stops first: it tells those who wait for a job that the job is resumed
	// later, and answers in progress need the store.
	stopServer()
	err = errors.Join(err, <-served)
	d.close()
	<-shown
	return errors.Join(err, stopIndexer())
}

func logHandler(format string, c *console, level slog.Leveler) slog.Handler {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.NewJSONHandler(c, o)
	}
	return slog.NewTextHandler(c, o)
}
