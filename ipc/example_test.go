package ipc_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"indexd/internal/query"
	"indexd/internal/query/exec"
	"indexd/ipc"
	"indexd/ipc/server"
	"indexd/ipc/wire"
	"indexd/listing"
)

// exampleDaemon answers every query with the same two files. Its other methods are not
// called.
type exampleDaemon struct{ server.Daemon }

func (exampleDaemon) Find(_ context.Context, _ server.Peer, req *wire.FindRequest, sink exec.Sink) (wire.Trailer, error) {
	for _, name := range []string{"README.md", "main.go"} {
		e := listing.Entry{Name: name, Stat: listing.Stat{Mode: 0o100644, Size: 1204}}
		if err := sink.Row([]byte("/home/alice"), &e, false); err != nil {
			return wire.Trailer{}, err
		}
	}
	return wire.Trailer{Complete: true}, nil
}

// A client queries a daemon. Here, the daemon is a server in the same process; a program
// would use &ipc.Client{}, which finds the socket of the user's or the system's indexd.
func ExampleClient_Find() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "indexd.sock")
	l, err := server.Listen(socket, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- server.New(exampleDaemon{}, server.Options{}).Serve(ctx, l) }()

	client := &ipc.Client{Sockets: []string{socket}}
	req := &wire.FindRequest{Request: query.Request{Terms: []string{"ext:go", "OR", "readme"}, Limit: 10}}
	trailer, err := client.Find(ctx, req, func(r *wire.Row) error {
		fmt.Println(r.Path(), r.Size)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(trailer.Count, "found, complete:", trailer.Complete)

	stop()
	if err := <-served; err != nil {
		log.Fatal(err)
	}
	// Output:
	// /home/alice/README.md 1204
	// /home/alice/main.go 1204
	// 2 found, complete: true
}
