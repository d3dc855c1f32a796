package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"indexd/internal/testutil/script"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"indexctl": main, "locate": main})
}

// noRaceSleep keeps a program that is built with the race detector from sleeping for a second
// when it exits.
const noRaceSleep = "GORACE=atexit_sleep_ms=0"

// TestScripts runs testdata/script/*.txt. INDEXD_SOCKET names a fakeDaemon, which answers with
// the files in answer/. Scripts have two additional commands:
//
//	status N CMD ARG...  run a command as exec does; it must exit with status N
//	raw SOCKET FILE      answer the next request at SOCKET with the text of FILE, in which
//	                     \0 stands for NUL, and close the connection
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			dir := filepath.Join(e.WorkDir, "answer")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
			_, socket, stop := serve(t, dir)
			e.Defer(stop)
			e.Vars = append(e.Vars, "INDEXD_SOCKET="+socket, "XDG_RUNTIME_DIR="+e.WorkDir,
				"TZ=Etc/GMT-1", "LC_ALL=C.UTF-8", "NO_COLOR=", "TERM=xterm", "NL=\n", noRaceSleep)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"raw":    raw,
			"status": script.Exits,
		},
	})
}

// raw is a server that sends what it is given.
func raw(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: raw SOCKET FILE")
	}
	head, body, _ := strings.Cut(ts.ReadFile(args[1]), "\n\n")
	answer := strings.ReplaceAll(head+"\n\n", "\n", "\r\n") + strings.ReplaceAll(body, "\\0", "\x00")
	l, err := net.Listen("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	done := make(chan struct{})
	ts.Defer(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		io.Copy(io.Discard, req.Body)
		c.Write([]byte(answer))
	}()
}
