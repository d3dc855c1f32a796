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

// A damaged database is quarantined and a new one is created, because everything in it
// can be read from the file system again.

const (
	quarantineInfix = ".damaged-" // in the file's name, before the time
	quarantineKeeps = 2           // how many of the newest files are kept
)

// keyQuarantined is the setting in which a new database names the one that it replaces.
var keyQuarantined = []byte("set aside")

// quarantined describes a database that was quarantined.
type quarantined struct {
	At   time.Time
	Kept []byte // its path now; any bytes
	Why  string
}

// openStore opens the database. A damaged file, or one that is no database, is replaced.
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
		return p.replaceStore(err)
	}
	return st, err
}

// isFile keeps directories and devices from being quarantined.
func isFile(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular()
}

// replaceStore quarantines the database and returns a new one that says so.
func (p *process) replaceStore(why error) (*store.Store, error) {
	file := p.cfg.DB
	a := quarantined{At: time.Now(), Why: userError{why}.Error()}
	kept := file + quarantineInfix + a.At.Format("20060102T150405.000")
	a.Kept = []byte(kept)
	if err := os.Rename(file, kept); err != nil {
		return nil, errors.Join(why, err)
	}
	p.log.Error("the database is damaged; creating a new one", "err", a.Why, "kept", kept)
	p.removeOld()
	st, err := store.Open(file, store.Options{Logger: p.log, MaxSize: p.cfg.MaxSize})
	if err != nil {
		return nil, err
	}
	tx, err := st.Begin()
	if err == nil {
		err = errors.Join(tx.PutValue(store.Settings, keyQuarantined, a), tx.Commit())
	}
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

// removeOld removes all quarantined databases except the newest.
func (p *process) removeOld() {
	dir, base := filepath.Split(p.cfg.DB)
	ents, err := os.ReadDir(filepath.Clean(dir + "."))
	if err != nil {
		p.log.Warn("cannot look for old damaged databases", "err", err)
		return
	}
	var names []string
	for _, e := range ents {
		if strings.HasPrefix(e.Name(), base+quarantineInfix) && e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names) // by time
	for len(names) > quarantineKeeps {
		old := dir + names[0]
		names = names[1:]
		if err := os.Remove(old); err != nil {
			p.log.Warn("cannot remove an old damaged database", "err", err)
			continue
		}
		p.log.Info("removed an old damaged database", "file", old)
	}
}

// quarantineOf returns the database that st replaces, or nil.
func quarantineOf(st *store.Store) (a *quarantined) {
	_ = st.View(func(sn *store.Snap) error {
		var v quarantined
		if ok, err := sn.Value(store.Settings, keyQuarantined, &v); ok && err == nil {
			a = &v
		}
		return nil
	})
	return a
}

// errDamaged is returned by run when the database turns out to be damaged.
var errDamaged = errors.New("the database is damaged")

const (
	// answersGrace is how long answers in progress have when the database turns out to
	// be damaged. Some may hang in it forever.
	answersGrace = 2 * time.Second
	// A database that is damaged less than restartSoon after it was created is left
	// alone for restartPause, because the disk may damage whatever is written to it.
	restartSoon  = time.Minute
	restartPause = 10 * time.Second
)

// restart quarantines the damaged database, creates a new one and executes indexd again
// in this process, which ends everything that hangs in the old database. It returns
// only with an error.
func (p *process) restart() error {
	if p.replaced != nil && time.Since(p.replaced.At) < restartSoon {
		time.Sleep(restartPause)
	}
	why := p.st.Damage()
	if err := p.st.Close(); err != nil {
		return errors.Join(why, err)
	}
	st, err := p.replaceStore(why)
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
	p.log.Warn("indexd restarts")
	return fmt.Errorf("restart: %w", unix.Exec("/proc/self/exe", os.Args, env))
}

// handOver puts the listener from systemd back at its descriptor, for the next program
// in this process. The environment still announces it.
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
