package cgroup

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBallast(t *testing.T) {
	dir := t.TempDir()
	for limit, size := range map[int64]int64{1 << 20: 4 << 20, 96 << 20: 6 << 20, 128 << 20: 8 << 20, 1 << 40: 8 << 20} {
		b, err := NewBallast(dir, limit)
		if err != nil {
			t.Skip(err)
		}
		for range 1000 {
			b.Accessed()
		}
		var st unix.Stat_t
		if err := unix.Fstat(int(b.f.Fd()), &st); err != nil {
			t.Fatal(err)
		}
		if st.Size != size || st.Blocks != 0 || st.Nlink != 0 {
			t.Errorf("limit %d: %d bytes, %d blocks, %d names; want %d, 0, 0", limit, st.Size, st.Blocks, st.Nlink, size)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := NewBallast(filepath.Join(dir, "none"), 1); err == nil {
		t.Error("a ballast in a directory that is not there")
	}
}
