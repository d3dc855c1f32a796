package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"indexd/internal/query"
	"indexd/internal/query/exec"
	"indexd/internal/query/plan"
	"indexd/ipc/wire"
	"indexd/store"
)

// openQueries are made through a connection that stays open.
var openQueries = []struct {
	name string
	req  wire.FindRequest
}{
	{"a rare word, count", wire.FindRequest{Request: query.Request{Terms: []string{rare}, Count: true}}},
	{"regex with a literal of 4 letters or more, count", wire.FindRequest{Request: query.Request{Terms: []string{`^quetza[a-z]+[0-9]`}, Mode: "regex", Count: true}}},
	{"the same with words that many names have, count", wire.FindRequest{Request: query.Request{Terms: []string{`^kernel[-_].*python\.json$`}, Mode: "regex", Count: true}}},
	{"`size:>1G`, count", wire.FindRequest{Request: query.Request{Filters: []string{"size:>1G"}, Count: true}}},
	{"`--sort size -n 20`", wire.FindRequest{Request: query.Request{Sort: "size", Limit: 20}}},
	{"full scan, count of `e`", wire.FindRequest{Request: query.Request{Terms: []string{"e"}, Count: true}}},
	{"regex without a literal, count", wire.FindRequest{Request: query.Request{Terms: []string{worst}, Mode: "regex", Count: true}}},
}

// openDaemons queries daemons over synthetic databases of a tenth of the entries and of
// all. perEntry is the time that plocate takes for the worst regular expression, in
// nanoseconds per entry, or 0 if unknown.
func (b *bench) openDaemons(perEntry float64) error {
	var took [2][]time.Duration
	var entries [2]int64
	var counts []int64
	for i, n := range []int{b.synth / 10, b.synth} {
		name := fmt.Sprint("open", i)
		root, _, err := b.synthetic(name, n)
		if err != nil {
			return err
		}
		d, err := b.start(name, append(quiet, root)...)
		if err != nil {
			return err
		}
		err = d.answers(b.ctx)
		if err == nil {
			took[i], counts, err = b.askOpen(d)
		}
		status, statusErr := d.client.Status(b.ctx)
		entries[i] = status.Entries
		if err := errors.Join(err, statusErr, d.stop()); err != nil {
			return err
		}
		fresh, err := b.askFresh(d.db, root)
		if err != nil {
			return err
		}
		took[i] = append(took[i], fresh)
	}
	fmt.Printf("\n| p50, over an open connection | %d entries | %d entries | growth | finds |\n| --- | --- | --- | --- | --- |\n", entries[0], entries[1])
	for k, small := range took[0] {
		name, finds := "a rare word with 5,000 directories fresh, count (in the process)", int64(2)
		if k < len(openQueries) {
			name, finds = openQueries[k].name, counts[k]
		}
		large := took[1][k]
		fmt.Printf("| %s | %s | **%s** | %.3g | %d |\n", name, show(small), show(large), float64(large)/float64(small), finds)
	}
	if perEntry > 0 {
		scaled := func(i int) string { return show(time.Duration(perEntry * float64(entries[i]) / 10)) }
		fmt.Printf("| a tenth of plocate's time for it, scaled | %s | %s | | |\n", scaled(0), scaled(1))
	}
	return nil
}

// askOpen returns the median time of each of openQueries, and the resulting counts.
func (b *bench) askOpen(d *daemon) (took []time.Duration, counts []int64, err error) {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", d.socket)
		},
	}}
	defer client.CloseIdleConnections()
	for _, q := range openQueries {
		body, err := json.Marshal(&q.req)
		if err != nil {
			return nil, nil, err
		}
		var count int64
		p50, err := b.p50(func() (err error) {
			count, err = post(client, body)
			return err
		})
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", q.name, err)
		}
		took, counts = append(took, p50), append(counts, count)
	}
	return took, counts, nil
}

// post makes a request and returns the count in the trailer.
func post(client *http.Client, body []byte) (int64, error) {
	answer, err := client.Post("http://indexd/v1/find", wire.TypeJSON, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	var last struct {
		End *wire.Trailer `json:"end"`
	}
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil || last.End == nil {
		return 0, fmt.Errorf("status %d: %.200s", answer.StatusCode, text)
	}
	return last.End.Count, nil
}

// askFresh searches for a rare word while 5,000 directories have new names that are not
// in the postings. A daemon would merge them at once, so this queries the store directly.
func (b *bench) askFresh(db, root string) (p50 time.Duration, err error) {
	s, err := store.Open(db, store.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := b.loadRare(s, root, 5000); err != nil {
		return 0, err
	}
	plan, err := plan.Compile(&query.Request{Terms: []string{rare}})
	if err != nil {
		return 0, err
	}
	r := exec.New(s, exec.Options{})
	return b.p50(func() error {
		sum, err := r.Find(b.ctx, &exec.Query{Plan: plan, Count: true}, nil)
		if err == nil && sum.Count != 2 {
			err = fmt.Errorf("%d found with %d fresh, not 2", sum.Count, s.FreshCount())
		}
		return err
	})
}

// p50 returns the median time of do, of ten runs per pair, or of one if it takes long,
// after one that is not counted.
func (b *bench) p50(do func() error) (time.Duration, error) {
	var took []time.Duration
	for i := 0; i <= 10*b.pairs && (i <= b.pairs || took[0] < 100*time.Millisecond); i++ {
		start := time.Now()
		if err := errors.Join(do(), b.ctx.Err()); err != nil {
			return 0, err
		}
		if i > 0 {
			took = append(took, time.Since(start))
		}
	}
	return median(took), nil
}
