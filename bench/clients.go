package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"indexd/internal/query"
	"indexd/ipc/wire"
)

// clients measures what 400 slow or broken clients cost the honest ones, and in memory,
// while they are held open, and whether 1,000 clients at once are all answered, none of
// them much later than the others.
func (b *bench) clients() error {
	d, err := b.start("clients", b.tree)
	if err != nil {
		return err
	}
	defer d.stop()
	if err := d.merged(b.ctx); err != nil {
		return err
	}
	if err := b.slowClients(d, 400); err != nil {
		return err
	}
	return b.manyClients(d, 1000, 10)
}

// slowClients makes the same requests in turn with and without n slow or broken clients
// of the same user.
func (b *bench) slowClients(d *daemon, n int) error {
	const questions = 200
	// What a daemon has after some answers: buffers, parsed texts.
	if _, err := askMany(b.ctx, d, 2*questions); err != nil {
		return err
	}
	before := d.proc("RssAnon")
	var idle, held []time.Duration
	most, dropped := 0, int64(0)
	for range b.pairs {
		t, err := askMany(b.ctx, d, questions)
		if err != nil {
			return err
		}
		idle = append(idle, median(t))
		stopPeak := d.peak()
		slow := newSlow(b.ctx, d.socket, n)
		slow.settle()
		t, err = askMany(b.ctx, d, questions)
		slow.stop()
		dropped += slow.dropped.Load()
		most = max(most, int(1024*stopPeak()))
		if err != nil {
			return err
		}
		held = append(held, median(t))
	}
	fmt.Printf("| %d slow or broken clients held open | |\n| --- | --- |\n", n)
	fmt.Printf("| p50 of a question, alone / with them | %s / %s |\n", show(median(idle)), show(median(held)))
	fmt.Printf("| ratio | **%.2f** |\n", ratio(held, idle))
	fmt.Printf("| growth of anonymous memory at most | **%.1f MiB** |\n", float64(most-before)/1024)
	fmt.Printf("| of them dropped and connected anew | %d |\n\n", dropped)
	return nil
}

// askMany makes n requests one after another.
func askMany(ctx context.Context, d *daemon, n int) ([]time.Duration, error) {
	var took []time.Duration
	for range n {
		start := time.Now()
		if _, err := d.client.Find(ctx, &wire.FindRequest{Request: query.Request{Terms: []string{"readme"}, Limit: 10}}, nil); err != nil {
			return nil, err
		}
		took = append(took, time.Since(start))
	}
	return took, nil
}

// slow are misbehaving clients of several kinds. They connect again when they are
// dropped.
type slow struct {
	ctx     context.Context
	cancel  context.CancelFunc
	socket  string
	wg      sync.WaitGroup
	begun   atomic.Int64
	dropped atomic.Int64
	n       int
}

func newSlow(ctx context.Context, socket string, n int) *slow {
	s := &slow{socket: socket, n: n}
	s.ctx, s.cancel = context.WithCancel(ctx)
	for i := range n {
		s.wg.Go(func() { s.client(i) })
	}
	return s
}

// settle waits until every client has misbehaved once.
func (s *slow) settle() {
	for s.begun.Load() < int64(s.n) && s.ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Second) // of which the daemon knows nothing, but works on
}

func (s *slow) stop() {
	s.cancel()
	s.wg.Wait()
}

func (s *slow) client(i int) {
	first := true
	for s.ctx.Err() == nil {
		c, err := net.Dial("unix", s.socket)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		unhook := context.AfterFunc(s.ctx, func() { c.Close() })
		s.misbehave(c, i, func() {
			if first {
				first = false
				s.begun.Add(1)
			}
		})
		unhook()
		c.Close()
		if s.ctx.Err() == nil {
			s.dropped.Add(1)
		}
	}
}

// misbehave returns when the daemon has closed the connection.
func (s *slow) misbehave(c net.Conn, i int, begun func()) {
	ask := func(target, accept string) {
		fmt.Fprintf(c, "GET %s HTTP/1.0\r\nAccept: %s\r\n\r\n", target, accept)
	}
	hold := func() {
		begun()
		for s.ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			// Writing shows whether it was closed, as there is nothing to read.
			if _, err := io.WriteString(c, "x"); err != nil {
				return
			}
		}
	}
	switch i % 8 {
	case 0:
		ask("/v1/find", wire.TypeNDJSON) // every row, and reads none
		hold()
	case 1:
		ask("/v1/find?sort=size", wire.TypeNDJSON)
		hold()
	case 2:
		ask("/v1/find?sort=name", wire.TypePaths0)
		hold()
	case 3:
		ask("/v1/find", wire.TypePaths0) // reads, but byte by byte
		begun()
		for one := make([]byte, 1); s.ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			if _, err := c.Read(one); err != nil {
				return
			}
		}
	case 4:
		io.WriteString(c, "GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Half: ")
		begun()
		io.Copy(io.Discard, c)
	case 5:
		fmt.Fprintf(c, "POST /v1/find HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", 4<<20, strings.Repeat(" ", 1<<20))
		begun()
		io.Copy(io.Discard, c)
	case 6:
		begun() // says nothing
		io.Copy(io.Discard, c)
	case 7:
		ask("/v1/find?q=a", wire.TypeNDJSON) // goes away in the middle, again and again
		begun()
		io.CopyN(io.Discard, c, int64(rand.IntN(100_000)))
		select {
		case <-s.ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

// manyClients has n clients make several requests each, at the same time.
func (b *bench) manyClients(d *daemon, n, questions int) error {
	took := make([]time.Duration, n)
	errs := make([]error, n)
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	ready.Add(n)
	stopPeak := d.peak()
	before := d.proc("RssAnon")
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-begin
			start := time.Now()
			for range questions {
				if _, err := d.client.Find(b.ctx, &wire.FindRequest{Request: query.Request{Terms: []string{"readme"}, Limit: 10}}, nil); err != nil {
					errs[i] = err
					break
				}
			}
			took[i] = time.Since(start)
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
	peak := stopPeak()
	failed := 0
	for _, err := range errs {
		if err != nil {
			failed++
		}
	}
	fmt.Printf("| %d clients at once, %d questions each | |\n| --- | --- |\n", n, questions)
	fmt.Printf("| failed | **%d** |\n", failed)
	fmt.Printf("| a client's time for all of its questions, median | %s |\n", show(median(took)))
	fmt.Printf("| the slowest client's / the median | **%.2f** |\n", float64(slices.Max(took))/float64(median(took)))
	fmt.Printf("| growth of anonymous memory at most | %.1f MiB |\n", peak-float64(before)/1024)
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return errs[i]
	}
	return nil
}
