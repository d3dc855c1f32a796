package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"indexd/internal/testutil/race"
)

var carol = &user{61003, 62003, nil}

// crowded starts a daemon over a tree whose listing exceeds the buffers of a socket, and
// of which only root may see everything.
func crowded(t *testing.T) (d *daemon, top string) {
	t.Helper()
	d, top = public(t)
	for i, u := range []*user{alice, bob, carol} {
		for k := range 10 {
			var files []string
			for f := range 100 {
				files = append(files, fmt.Sprintf("a file with a longish name, %d of %d of %d", f, k, i))
			}
			put(t, fmt.Sprintf("%s/dir-%d-of-%d", top, k, i), u, []os.FileMode{0o755, 0o700, 0o711}[k%3], files...)
		}
	}
	d.ready()
	d.must("find", "--sync=3m", "--count")
	return d, top
}

// findBy returns what find(1), run by u, can list.
func findBy(t *testing.T, u *user, top, name string) []string {
	t.Helper()
	out, _, _ := u.by(t, "find", top, "-mindepth", "1", "-name", name, "-print0")
	return split(out)
}

// metric returns one of the daemon's metrics.
func (d *daemon) metric(name string) int {
	d.t.Helper()
	text := d.get(nobody, "GET", "/metrics", "")
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, "indexd_"+name+" "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(v))
			must(d.t, err)
			return n
		}
	}
	d.t.Fatalf("no %s in\n%s", name, text)
	return 0
}

// connections returns the number of open connections, including this one, and of those
// that wait to be accepted.
func (d *daemon) connections() int {
	d.t.Helper()
	return d.metric("connections") + d.metric("connections_waiting")
}

// anonymous returns the daemon's anonymous memory in KiB.
func (d *daemon) anonymous() int {
	d.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	must(d.t, err)
	_, after, _ := strings.Cut(string(text), "RssAnon:")
	n, err := strconv.Atoi(strings.Fields(after)[0])
	must(d.t, err)
	return n
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// TestOneUsersCrowd lets a user occupy all connections that a user can get, and more that
// wait for one, with half requests, answers that are not read, and silence. Root, another
// user and the same user run indexctl meanwhile and get everything that find(1) finds.
// The daemon's memory does not grow with unread answers, and nothing is left of the
// connections once they are closed.
func TestOneUsersCrowd(t *testing.T) {
	d, top := crowded(t)
	want := map[*user][]string{}
	for _, u := range []*user{nobody, alice, bob} {
		want[u] = findBy(t, u, top, "*")
		same(t, "alone", split(d.mustBy(u, "find", "-0")), want[u])
	}
	// The daemon keeps a few idle goroutines that stat directories: have them all started.
	var warm sync.WaitGroup
	for range 8 {
		for _, u := range []*user{alice, bob} {
			warm.Go(func() { d.ctlBy(u, "find", "-c", "--sync=3m") })
		}
	}
	warm.Wait()
	goroutines := d.metric("goroutines")
	memory := d.anonymous()
	const crowd = 640 // of 1,024 connections one user gets half, the others wait
	var held []net.Conn
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	for i := range crowd {
		c, err := d.dial(alice)
		must(t, err)
		held = append(held, c)
		io.WriteString(c, []string{
			"GET /v1/find HTTP/1.0\r\n\r\n",              // and does not read
			"GET /v1/find?sort=name HTTP/1.0\r\n\r\n",    // nor this
			"GET /v1/find?sync=10m HTTP/1.0\r\n\r\n",     // nor this, after a barrier
			"GET /v1/status HTTP/1.1\r\nX-Half: ",        // and no more
			"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", // and stays
			"POST /v1/find HTTP/1.0\r\nContent-Length: 4000000\r\n\r\n" + strings.Repeat(" ", 30_000),
			"",
		}[i%7])
	}
	begun := d.connections()
	most := 0
	var wg sync.WaitGroup
	for u, want := range want {
		wg.Go(func() {
			for range 3 {
				out, errs, status := d.ctlBy(u, "find", "-0", "--sync=3m")
				if status != 0 || errs != "" || !slices.Equal(split(out + "\x00")[1:], want) {
					t.Errorf("uid %d, in the crowd: exit status %d, %d bytes, want %d paths\n%s", u.uid, status, len(out), len(want), errs)
				}
			}
		})
	}
	answered := make(chan struct{})
	go func() { wg.Wait(); close(answered) }()
	until(t, "all are answered", func() bool {
		most = max(most, d.anonymous())
		select {
		case <-answered:
			return true
		default:
			return false
		}
	})
	t.Logf("%d KiB of its own at first, %d at most; %d connections, and then %d", memory, most, begun, d.connections())
	// 64 MiB for 400 of them is promised.
	if grown := most - memory; grown > 64<<10*512/400 && !race.On {
		t.Errorf("it grew by %d KiB", grown)
	}
	for _, c := range held {
		c.Close()
	}
	until(t, "nothing of the crowd is left", func() bool {
		return d.connections() == 1 && d.metric("goroutines") <= goroutines
	})
}

// TestManyAtOnce has many clients of several users, each with several queries one after
// another on its connection, far more than are processed at once. Each is answered with
// what its own user may see, and none is refused.
func TestManyAtOnce(t *testing.T) {
	d, top := crowded(t)
	const clients, questions = 100, 10
	users := []*user{alice, bob, carol, nobody}
	want := make([][questions][]string, len(users))
	for i, u := range users {
		for q := range questions {
			want[i][q] = findBy(t, u, top, fmt.Sprintf("*%d of %d of *", q, q))
		}
	}
	failed := d.metric("requests_failed_total")
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range clients {
		u := users[i%len(users)]
		client := &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return d.dial(u) },
		}}
		defer client.CloseIdleConnections()
		all.Go(func() {
			<-begin
			for q := range questions {
				q = (q + i) % questions
				got, err := asked(client, fmt.Sprintf("%d of %d of", q, q))
				if err != nil || !slices.Equal(got, want[i%len(users)][q]) {
					t.Errorf("client %d, uid %d, question %d: %d paths, want %d; %v", i, u.uid, q, len(got), len(want[i%len(users)][q]), err)
				}
			}
		})
	}
	close(begin)
	all.Wait()
	if n := d.metric("requests_failed_total") - failed; n != 0 {
		t.Errorf("%d were refused", n)
	}
}

// asked queries for a text in names over HTTP and returns the paths in order.
func asked(client *http.Client, text string) (paths []string, err error) {
	body, err := json.Marshal(map[string]any{"terms": []string{text}, "mode": "fixed"})
	if err != nil {
		return nil, err
	}
	resp, err := client.Post("http://indexd/v1/find", "application/json", strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		var row struct {
			Path string
			End  *struct{ Complete bool }
		}
		switch err := json.Unmarshal(lines.Bytes(), &row); {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", resp.Status, err)
		case row.End == nil:
			paths = append(paths, filepath.Clean(row.Path))
		case resp.StatusCode != http.StatusOK || !row.End.Complete:
			return nil, fmt.Errorf("%s %s", resp.Status, lines.Bytes())
		default:
			slices.Sort(paths)
			return paths, nil
		}
	}
	return nil, fmt.Errorf("%s, without an end; %w", resp.Status, lines.Err())
}
