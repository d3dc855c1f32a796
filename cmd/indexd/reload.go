package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"indexd/internal/config"
)

// reloader reloads the configuration on request. It has its own goroutine, so that a signal to
// end the process never waits for a reload.
type reloader struct {
	p      *process
	wanted chan struct{} // capacity 1
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newReloader(p *process) *reloader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reloader{p: p, wanted: make(chan struct{}, 1), cancel: cancel}
	r.wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-r.wanted:
				r.p.notify.reloading()
				r.reload(ctx)
				r.p.notify.ready()
			}
		}
	})
	return r
}

// request asks for a reload and returns immediately.
func (r *reloader) request() {
	select {
	case r.wanted <- struct{}{}:
	default:
	}
}

// stop cancels a reload in progress and waits for its end.
func (r *reloader) stop() {
	r.cancel()
	r.wg.Wait()
}

// reload reads the configuration and applies its roots, rules and log level. An invalid
// configuration changes nothing.
func (r *reloader) reload(ctx context.Context) {
	p := r.p
	cfg, err := config.Load(p.args)
	if err == nil {
		err = p.x.Reload(ctx, cfg.Roots, cfg.Inner, cfg.Rules)
	}
	if err != nil {
		p.log.Error("the configuration was not reloaded; all stays as it was", "err", err)
		return
	}
	p.level.Set(cfg.LogLevel)
	if names := needRestart(p.cfg, cfg); len(names) > 0 {
		p.log.Warn("these settings changed and need a restart", "settings", strings.Join(names, ", "))
	}
	p.log.Info("the configuration was reloaded", "roots", cfg.Roots)
}

// needRestart returns the names of the settings that differ and are read only at start.
func needRestart(old, now *config.Config) (names []string) {
	values := func(c *config.Config) map[string]any {
		return map[string]any{
			"db": c.DB, "max-size": c.MaxSize, "socket": c.Socket, "socket-mode": c.SocketMode, "admin-group": c.AdminGroup,
			"workers": c.Workers, "rotating-readers": c.RotatingReaders, "watch": c.Watch, "watch-share": c.WatchShare,
			"sweep-interval": c.SweepInterval, "log-format": c.LogFormat,
		}
	}
	before, after := values(old), values(now)
	for _, s := range config.Settings() {
		if v, ok := after[s.Name]; ok && fmt.Sprint(v) != fmt.Sprint(before[s.Name]) {
			names = append(names, s.Name)
		}
	}
	return names
}
