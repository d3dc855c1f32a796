package synth_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"indexd/internal/testutil/disk"
	"indexd/internal/testutil/scale"
	"indexd/internal/testutil/synth"
	"indexd/store"
	"indexd/store/dbfile"
)

// A compaction for which there is no room is not begun, and says what it takes.
func TestCompactWithoutRoom(t *testing.T) {
	scale.SkipIfShort(t)
	disk := disk.Full(t, "20m")
	s, err := store.Open(filepath.Join(disk.Dir, "db"), store.Options{})
	must(t, err)
	defer s.Close()
	v, err := synth.NewVolume(s, "/")
	must(t, err)
	for round := range 8 {
		load(t, s, v, round)
	}
	fi, err := os.Stat(s.Path())
	must(t, err)
	ballast := filepath.Join(disk.Dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 20<<20-fi.Size()-1<<20), 0o600))
	var room *dbfile.NoRoomError
	if err := s.Compact(t.Context()); !errors.As(err, &room) || room.Free > 2<<20 || room.Need <= room.Free || room.Need > fi.Size() {
		t.Errorf("without room: %v", err)
	}
	if _, err := os.Stat(s.Path() + ".compact"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy was begun: %v", err)
	}
	must(t, os.Remove(ballast))
	must(t, s.Compact(t.Context()))
	load(t, s, v, 8)
	checked(t, s)
}
