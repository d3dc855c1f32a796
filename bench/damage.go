package main

import (
	"os"
	"path/filepath"
	"time"
)

// damage compares the processor time until the daemon is ready again after the database
// was damaged with that of a first index: if the damage is found when the file is opened,
// and if the running daemon finds it.
func (b *bench) damage() error {
	file := filepath.Join(b.dir, "damage.db")
	run := func(before func() error) func() (time.Duration, error) {
		return func() (time.Duration, error) {
			if err := before(); err != nil {
				return 0, err
			}
			d, err := b.start("damage", b.tree)
			if err != nil {
				return 0, err
			}
			err = d.begun(b.ctx)
			if stopErr := d.stop(); err == nil {
				err = stopErr
			}
			return d.cmd.ProcessState.UserTime() + d.cmd.ProcessState.SystemTime(), err
		}
	}
	first := func() error { return os.Remove(file) }
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return err
	}
	// The previous run left an intact database.
	cut := func() error {
		fi, err := os.Stat(file)
		if err != nil {
			return err
		}
		return os.Truncate(file, fi.Size()/2)
	}
	hole := func() error {
		fi, err := os.Stat(file)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(file, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		const pages = 64 // of which some are in use
		_, err = f.WriteAt(make([]byte, pages*4096), fi.Size()/3/4096*4096)
		return err
	}
	return b.compare(side{"indexd, cut off", run(cut)}, side{"indexd, first index", run(first)}, side{"indexd, a hole in it", run(hole)})
}
