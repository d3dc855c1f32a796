package walker_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"indexd/listing"
	"indexd/walker"
)

// exampleTree makes a small tree and returns it, and a function that removes it.
func exampleTree() (root string, remove func()) {
	root, err := os.MkdirTemp("", "walker-example-")
	if err != nil {
		log.Fatal(err)
	}
	for _, file := range []string{"go.mod", "cmd/main.go", "internal/a/a.go"} {
		path := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			log.Fatal(err)
		}
	}
	return root, func() { os.RemoveAll(root) }
}

// Walk yields every directory below one.
func ExamplePool_Walk() {
	root, remove := exampleTree()
	defer remove()
	pool := walker.New(walker.Options{Workers: 1})
	defer pool.Close()
	for dir := range pool.Walk(context.Background(), root) {
		if dir.Err != nil {
			log.Fatal(dir.Err)
		}
		rel, _ := filepath.Rel(root, dir.Dir)
		fmt.Println(rel, len(dir.Entries))
	}
	// Output:
	// . 3
	// cmd 1
	// internal 1
	// internal/a 1
}

// Submit starts a job whose Visit decides what to descend into.
func ExamplePool_Submit() {
	root, remove := exampleTree()
	defer remove()
	pool := walker.New(walker.Options{})
	defer pool.Close()
	job, err := pool.Submit(context.Background(), walker.Spec{
		Dirs:     []string{root},
		Priority: walker.Asked,
		Visit: func(r *walker.Result) (descend []string) {
			if r.Err != nil {
				return nil // counted in JobStats.Errors
			}
			for _, e := range r.Entries {
				if e.Type() == listing.Dir && e.Name != "internal" {
					descend = append(descend, e.Name)
				}
			}
			return descend
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	stats, err := job.Wait(context.Background())
	fmt.Println(stats.Dirs, stats.Entries, stats.Errors, err)
	// Output: 2 4 0 <nil>
}

// A Visit may submit another job and wait for it, even if the pool has only one worker.
func ExampleResult_Wait() {
	root, remove := exampleTree()
	defer remove()
	pool := walker.New(walker.Options{Workers: 1})
	defer pool.Close()
	count := func(*walker.Result) []string { return nil }
	job, err := pool.Submit(context.Background(), walker.Spec{
		Dirs: []string{root},
		Visit: func(r *walker.Result) []string {
			inner, err := pool.Submit(context.Background(), walker.Spec{
				Dirs: []string{root + "/cmd", root + "/internal"}, Visit: count,
			})
			if err != nil {
				log.Fatal(err)
			}
			stats, err := r.Wait(inner)
			fmt.Println("inner:", stats.Dirs, err)
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	stats, err := job.Wait(context.Background())
	fmt.Println("outer:", stats.Dirs, err)
	// Output:
	// inner: 2 <nil>
	// outer: 1 <nil>
}

// List lists a single directory without a pool.
func ExampleList() {
	root, remove := exampleTree()
	defer remove()
	err := walker.List(context.Background(), root, func(l *listing.Listing) error {
		for _, e := range l.Entries {
			fmt.Println(e.Name, e.Type() == listing.Dir)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// cmd true
	// go.mod false
	// internal true
}
