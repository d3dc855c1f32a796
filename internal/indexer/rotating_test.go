package indexer

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"indexd/internal/mounts"
)

// At most two directories of a device that sysfs declares rotating are read at once, and more
// of other devices.
func TestFewReadersOfARotatingDisk(t *testing.T) {
	root := wide(t, 300)
	for _, rotational := range []string{"1", "0"} {
		sysfs := t.TempDir()
		table := func() (*mounts.Table, error) {
			table, err := mounts.Read()
			if err != nil {
				return nil, err
			}
			m := table.Containing(root)
			m.Source = "/dev/madeup"
			for _, dir := range []string{sysfs + "/class/block/madeup", fmt.Sprintf("%s/dev/block/%d:%d", sysfs, m.Dev>>32, uint32(m.Dev))} {
				must(t, os.MkdirAll(dir+"/queue", 0o755))
				must(t, os.WriteFile(filepath.Join(dir, "queue/rotational"), []byte(rotational), 0o644))
			}
			return table, nil
		}
		var reading, most atomic.Int64
		r := run(t, "", Config{
			Roots: []string{root}, Workers: 8, Mounts: table, Sysfs: sysfs, RotatingReaders: 2,
			OnAccess: func() {
				for n := reading.Add(1); n > most.Load(); {
					most.Store(n)
				}
				time.Sleep(100 * time.Microsecond)
				reading.Add(-1)
			},
		})
		r.idle()
		r.same(root)
		if n := most.Load(); (n > 2) != (rotational == "0") {
			t.Errorf("rotational %s: %d readers at once", rotational, n)
		}
		r.stop()
	}
}
