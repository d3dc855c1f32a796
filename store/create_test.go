package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"indexd/store"
)

// What a start that was killed has left is removed by the next, and nothing else.
func TestOpenRemovesWhatIsLeft(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "index.db")
	keep := []string{"index.db", "index.db.news", "another.db.new-1", "x.index.db.new-1"}
	for _, name := range append(keep[1:], "index.db.new-1", "index.db.new-0123456789abcdef", "index.db.compact") {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range keep {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if list, _ := os.ReadDir(dir); len(list) != len(keep) {
		t.Errorf("there is %v, want %v", list, keep)
	}
}
