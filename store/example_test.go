package store_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"indexd/listing"
	"indexd/store"
	"indexd/store/record"
)

// A writer stores the listing of a directory, and a reader finds it.
func Example() {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s, err := store.Open(filepath.Join(dir, "index.db"), store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	// Listings are usually encoded by many goroutines at once.
	encoded := record.Encode(&listing.Listing{
		Stamp: s.LastStamp() + 1,
		First: true, Last: true,
		Entries: []listing.Entry{
			{Name: "go.mod", Stat: listing.Stat{Mode: 0o100644, Size: 120}},
			{Name: "store", Stat: listing.Stat{Mode: 0o040755, Ino: 7}},
		},
	}, nil, nil)

	tx, err := s.Begin()
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback()
	volume, err := tx.PutVolume(store.VolumeInfo{Identity: "uuid", MountPoint: "/", FSType: "ext4"})
	if err != nil {
		log.Fatal(err)
	}
	root := record.MakeKey(volume, "")
	applied, err := tx.Apply(root, encoded)
	if err != nil {
		log.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("to be listed next:", applied.NewDirs)

	err = s.View(func(sn *store.Snap) error {
		rec, ok, err := sn.Record(root)
		if err != nil || !ok {
			return err
		}
		if err := rec.Load(); err != nil {
			return err
		}
		for _, e := range rec.All() {
			fmt.Println(e.Name, e.Size)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// to be listed next: [store]
	// go.mod 120
	// store 0
}
