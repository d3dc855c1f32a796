package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	bolt "go.etcd.io/bbolt"

	"indexd/internal/indexer"
	"indexd/internal/query"
	"indexd/internal/testutil/race"
	"indexd/internal/testutil/script"
	"indexd/ipc"
	"indexd/ipc/wire"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"indexd": main,
		"indexd-eager": func() {
			os.Exit(command(os.Args, func(c *indexer.Config) { c.Eager = true }))
		},
	})
}

// TestScripts runs testdata/script/*.txt. Each has its own home directory with a small tree,
// $HOME/tree. Scripts have these additional commands:
//
//	status N CMD ARG...  run a command as exec does; it must exit with status N
//	line REGEXP          the last command's stderr must be one line that matches
//	send SIGNAL SOCKET   send a signal, TERM or HUP, to the daemon at SOCKET
//	ready SOCKET         wait until the daemon at SOCKET is ready
//	found SOCKET TERM... print the paths that the daemon there finds
//	synced SOCKET TERM...
//	                     the same, with --sync
//	inside SOCKET DIR    print all paths that it finds below DIR
//	state SOCKET         print its status as JSON
//	rescan SOCKET PATH   rescan PATH, wait, and print the events of the job
//	told REGEXP          wait until $NOTIFY_SOCKET has received text that matches
//	settled SOCKET       wait until the daemon at SOCKET has nothing to do
//	damage FILE TEXT     change TEXT in FILE
//	zeros FILE           overwrite pages of FILE that contain a listing with zeros
//	anew SOCKET          query the daemon until it has replaced a damaged database
//	newer FILE           make FILE a database of a newer schema
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			for _, d := range []string{"tree/a/b", "tree/.hidden", "run"} {
				if err := os.MkdirAll(filepath.Join(home, d), 0o755); err != nil {
					return err
				}
			}
			for _, f := range []string{"tree/one.txt", "tree/a/two.txt", "tree/a/b/three.o", "tree/.hidden/four"} {
				if err := os.WriteFile(filepath.Join(home, f), []byte("x"), 0o644); err != nil {
					return err
				}
			}
			// Short: a script's own directory is too deep for a socket's address.
			run, err := os.MkdirTemp("", "indexd")
			if err != nil {
				return err
			}
			e.Defer(func() { os.RemoveAll(run) })
			n, err := listenNotify(filepath.Join(run, "notify"))
			if err != nil {
				return err
			}
			e.Defer(n.close)
			e.Values[notifyKey{}] = n
			e.Vars = append(e.Vars, "HOME="+home, "RUN="+run, "XDG_RUNTIME_DIR="+run, "NOTIFY_SOCKET="+n.path,
				"TZ=UTC", "INDEXD_CONFIG=/dev/null", "INDEXD_DB="+filepath.Join(home, "state", "index.db"),
				"INDEXD_SOCKET="+filepath.Join(run, "indexd", "indexd.sock"))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "race" {
				return false, fmt.Errorf("no condition %s", cond)
			}
			return race.On, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": script.Exits, "line": line, "send": send, "ready": ready, "found": found, "synced": synced, "inside": inside, "state": state,
			"settled": settled, "damage": damage, "rescan": rescan, "told": told, "newer": newer, "zeros": zeros, "anew": anew,
		},
	})
}

func line(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: line REGEXP")
	}
	text := ts.ReadFile("stderr")
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		ts.Fatalf("not one line: %q", text)
	}
	if !regexp.MustCompile(args[0]).MatchString(strings.TrimSuffix(text, "\n")) {
		ts.Fatalf("%q does not match %s", text, args[0])
	}
}

// patience is how long a condition may take to come true on a loaded machine.
const patience = 3 * time.Minute

// client is one that waits until somebody answers.
func client(socket string) (*ipc.Client, context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	return &ipc.Client{
		Sockets: []string{socket},
		Dial: func(ctx context.Context, socket string) (io.ReadWriteCloser, error) {
			for {
				c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
				if err == nil {
					return c, nil
				}
				if ctx.Err() != nil {
					return nil, err
				}
				select {
				case <-ctx.Done():
				case <-time.After(5 * time.Millisecond): // nothing tells when a daemon begins to listen
				}
			}
		},
	}, ctx, cancel
}

func send(ts *testscript.TestScript, neg bool, args []string) {
	sig, ok := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}[args[0]]
	if !ok {
		ts.Fatalf("no signal %s", args[0])
	}
	c, ctx, cancel := client(args[1])
	defer cancel()
	s, err := c.Status(ctx)
	ts.Check(err)
	ts.Check(syscall.Kill(s.PID, sig))
}

func ready(ts *testscript.TestScript, neg bool, args []string) {
	c, ctx, cancel := client(args[0])
	defer cancel()
	ts.Check(c.Wait(ctx, true))
}

func settled(ts *testscript.TestScript, neg bool, args []string) {
	c, ctx, cancel := client(args[0])
	defer cancel()
	ts.Check(c.Wait(ctx, false))
}

func found(ts *testscript.TestScript, neg bool, args []string) {
	find(ts, neg, args[0], &wire.FindRequest{Request: query.Request{Terms: args[1:]}})
}

func inside(ts *testscript.TestScript, neg bool, args []string) {
	find(ts, neg, args[0], &wire.FindRequest{Request: query.Request{In: args[1:]}})
}

func synced(ts *testscript.TestScript, neg bool, args []string) {
	find(ts, neg, args[0], &wire.FindRequest{Request: query.Request{Terms: args[1:]}, Sync: wire.Duration(patience)})
}

// find prints what is found, or where it is to fail the error on stderr.
func find(ts *testscript.TestScript, neg bool, socket string, req *wire.FindRequest) {
	c, ctx, cancel := client(socket)
	defer cancel()
	t, err := c.Find(ctx, req, func(r *wire.Row) error {
		_, err := ts.Stdout().Write(append(r.AppendPath(nil), '\n'))
		return err
	})
	switch {
	case neg && err == nil:
		ts.Fatalf("found without an error")
	case neg:
		var p *wire.Problem
		if !errors.As(err, &p) {
			ts.Fatalf("%v", err)
		}
		fmt.Fprintln(ts.Stderr(), p.Type, p.Text, p.Pos, p)
	case err != nil:
		ts.Fatalf("%v", err)
	case !t.Complete || t.SyncMissed:
		ts.Fatalf("not complete: %+v", t)
	}
}

func state(ts *testscript.TestScript, neg bool, args []string) {
	c, ctx, cancel := client(args[0])
	defer cancel()
	s, err := c.Status(ctx)
	ts.Check(err)
	ts.Check(json.NewEncoder(ts.Stdout()).Encode(s))
}

func rescan(ts *testscript.TestScript, neg bool, args []string) {
	c, ctx, cancel := client(args[0])
	defer cancel()
	enc := json.NewEncoder(ts.Stdout())
	_, err := c.Rescan(ctx, &wire.RescanRequest{Paths: args[1:], Wait: true}, func(e *wire.JobEvent) error { return enc.Encode(e) })
	ts.Check(err)
}

// notified is the end of systemd.
type notified struct {
	path string
	conn *net.UnixConn
	done chan struct{}

	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed and made anew
}

type notifyKey struct{}

func listenNotify(path string) (*notified, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	n := &notified{path: path, conn: conn, done: make(chan struct{}), changed: make(chan struct{})}
	go func() {
		defer close(n.done)
		buf := make([]byte, 4096)
		for {
			size, err := conn.Read(buf)
			if err != nil {
				return
			}
			n.mu.Lock()
			n.text.Write(append(buf[:size:size], '\n'))
			close(n.changed)
			n.changed = make(chan struct{})
			n.mu.Unlock()
		}
	}()
	return n, nil
}

func (n *notified) close() {
	n.conn.Close()
	<-n.done
}

func told(ts *testscript.TestScript, neg bool, args []string) {
	n := ts.Value(notifyKey{}).(*notified)
	re := regexp.MustCompile(args[0])
	for late := time.After(patience); ; {
		n.mu.Lock()
		text, changed := n.text.String(), n.changed
		n.mu.Unlock()
		if re.MatchString(text) {
			return
		}
		select {
		case <-changed:
		case <-late:
			ts.Fatalf("systemd was told only\n%s", text)
		}
	}
}

func damage(ts *testscript.TestScript, neg bool, args []string) {
	file := ts.MkAbs(args[0])
	data, err := os.ReadFile(file)
	ts.Check(err)
	changed := bytes.ReplaceAll(data, []byte(args[1]), bytes.ToUpper([]byte(args[1])))
	if bytes.Equal(changed, data) {
		ts.Fatalf("there is no %q in %s", args[1], args[0])
	}
	ts.Check(os.WriteFile(file, changed, 0o600))
}

// zeros overwrites with zeros the leaf pages of listings, which are not read when the database
// is opened: all pages but the meta pages that contain a name.
func zeros(ts *testscript.TestScript, neg bool, args []string) {
	file := ts.MkAbs(args[0])
	data, err := os.ReadFile(file)
	ts.Check(err)
	n := 0
	for at := 2 * 4096; at+4096 <= len(data); at += 4096 {
		if page := data[at:][:4096]; bytes.Contains(page, []byte("three.o")) {
			clear(page)
			n++
		}
	}
	if n == 0 {
		ts.Fatalf("there is no such page")
	}
	ts.Check(os.WriteFile(file, data, 0o600))
}

func anew(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		c, ctx, cancel := client(args[0])
		// Whatever it says, it is not to end but by beginning anew.
		_, _ = c.Find(ctx, &wire.FindRequest{}, func(*wire.Row) error { return nil })
		s, err := c.Status(ctx)
		cancel()
		if err == nil && s.DB.Aside != nil && s.Uptime < 60 && s.Ready {
			return
		}
	}
	ts.Fatalf("it has not begun anew")
}

// newer writes a schema version of the far future, sealed as package store
// seals it: the CRC32C of key and value, then the value.
func newer(ts *testscript.TestScript, neg bool, args []string) {
	db, err := bolt.Open(ts.MkAbs(args[0]), 0o600, &bolt.Options{Timeout: time.Second})
	ts.Check(err)
	key, value := []byte("format"), binary.BigEndian.AppendUint32(nil, 9999)
	crc := crc32.Checksum(append(key[:len(key):len(key)], value...), crc32.MakeTable(crc32.Castagnoli))
	err = db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put(key, append(binary.LittleEndian.AppendUint32(nil, crc), value...))
	})
	ts.Check(errors.Join(err, db.Close()))
}
