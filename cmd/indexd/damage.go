package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"indexd/store"
)

// A damaged database is put aside and a new one begun: all that was in it can be
// had from the file system again.

const (
	asideInfix = ".damaged-" // in its name, before the time
	asideKept  = 2           // so many, the newest, are kept
)

// keyAside is the setting in which a new database says what it is in the place of.
var keyAside = []byte("set aside")

// aside is what was put aside.
type aside struct {
	At   time.Time
	Kept []byte // the path; of any bytes
	Why  string
}

// openStore opens the database, or a new one in the place of what is damaged or is
// no database.
func (p *process) openStore() (*store.Store, error) {
	file := p.cfg.DB
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	st, err := store.Open(file, store.Options{Logger: p.log, MaxSize: p.cfg.MaxSize})
	switch {
	case errors.Is(err, store.ErrLocked):
		return nil, fmt.Errorf("%s: another indexd has this database open", file)
	case errors.Is(err, store.ErrDamaged), errors.Is(err, store.ErrNotDatabase) && isFile(file):
		return p.beginAnew(err)
	}
	return st, err
}

// isFile keeps a directory or a device from being put aside.
func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

// beginAnew puts the database aside and returns a new one that says so.
func (p *process) beginAnew(why error) (*store.Store, error) {
	file := p.cfg.DB
	a := aside{At: time.Now(), Why: userError{why}.Error()}
	kept := file + asideInfix + a.At.Format("20060102T150405.000")
	a.Kept = []byte(kept)
	if err := os.Rename(file, kept); err != nil {
		return nil, errors.Join(why, err)
	}
	p.log.Error("the database is damaged; beginning a new one", "err", a.Why, "kept", kept)
	p.dropAside()
	st, err := store.Open(file, store.Options{Logger: p.log, MaxSize: p.cfg.MaxSize})
	if err != nil {
		return nil, err
	}
	tx, err := st.Begin()
	if err == nil {
		err = errors.Join(tx.PutValue(store.Settings, keyAside, a), tx.Commit())
	}
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

// dropAside removes all that was put aside but the newest.
func (p *process) dropAside() {
	dir, base := filepath.Split(p.cfg.DB)
	ents, err := os.ReadDir(filepath.Clean(dir + "."))
	if err != nil {
		p.log.Warn("cannot look for old damaged databases", "err", err)
		return
	}
	var names []string
	for _, e := range ents {
		if strings.HasPrefix(e.Name(), base+asideInfix) && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names) // by time
	for len(names) > asideKept {
		old := dir + names[0]
		names = names[1:]
		if err := os.Remove(old); err != nil {
			p.log.Warn("cannot remove an old damaged database", "err", err)
			continue
		}
		p.log.Info("removed an old damaged database", "file", old)
	}
}

// asideOf returns what a database is in the place of; nil: nothing.
func asideOf(st *store.Store) (a *aside) {
	_ = st.View(func(sn *store.Snap) error {
		var v aside
		if ok, err := sn.Value(store.Settings, keyAside, &v); ok && err == nil {
			a = &v
		}
		return nil
	})
	return a
}

// errDamaged ends run where the database turned out to be damaged.
var errDamaged = errors.New("the database is damaged")

const (
	// answersGrace is how long answers under way have when the database turned
	// out to be damaged: some may be held up in it for ever.
	answersGrace = 2 * time.Second
	// A database that was begun anew less than restartSoon ago and is damaged is
	// left alone for restartPause: the disk may damage whatever is written to it.
	restartSoon  = time.Minute
	restartPause = 10 * time.Second
)

// restart puts the damaged database aside and begins anew in this process's place,
// under its number: what hangs in the old one is gone then, with its memory. It
// returns only with an error.
func (p *process) restart() error {
	if p.aside != nil && time.Since(p.aside.At) < restartSoon {
		time.Sleep(restartPause)
	}
	why := p.st.Damage()
	if err := p.st.Close(); err != nil {
		return errors.Join(why, err)
	}
	st, err := p.beginAnew(why)
	if err != nil {
		return err
	}
	if err := st.Close(); err != nil {
		return err
	}
	env := os.Environ()
	if p.inherited {
		if err := handOver(p.listener); err != nil {
			return err
		}
	}
	p.log.Warn("indexd begins anew")
	return fmt.Errorf("begin anew: %w", unix.Exec("/proc/self/exe", os.Args, env))
}

// handOver puts the listener that systemd gave us where it was, for who comes after
// us in this process; the environment still says so.
func handOver(l net.Listener) error {
	ul, ok := l.(*net.UnixListener)
	if !ok {
		return fmt.Errorf("a listener of type %T cannot be handed over", l)
	}
	f, err := ul.File()
	if err != nil {
		return err
	}
	const first = 3 // SD_LISTEN_FDS_START
	return os.NewSyscallError("dup", unix.Dup3(int(f.Fd()), first, 0))
}
