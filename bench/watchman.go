package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// watchman is a watchman started by this run, separate from any other.
type watchman struct {
	cmd  *exec.Cmd
	conn net.Conn
	in   *bufio.Reader
	root string
}

// startWatchman starts a watchman on root and returns when it has crawled it.
func (b *bench) startWatchman(program, root string) (*watchman, error) {
	at := func(name string) string { return filepath.Join(b.dir, "watchman-"+name) }
	socket := at("socket")
	_ = os.Remove(socket)
	w := &watchman{root: root}
	w.cmd = exec.CommandContext(b.ctx, program, "--foreground", "--no-save-state", "--sockname="+socket,
		"--logfile="+at("log"), "--statefile="+at("state"), "--pidfile="+at("pid"))
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	var err error
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if w.conn, err = net.Dial("unix", socket); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err == nil {
		w.in = bufio.NewReaderSize(w.conn, 1<<20)
		if _, err = w.ask("watch", root); err == nil {
			_, err = w.find(`nothing`)
		}
	}
	if err != nil {
		return nil, errors.Join(err, w.stop())
	}
	return w, nil
}

// ask sends a command and returns the files in the response.
func (w *watchman) ask(command ...any) (files []json.RawMessage, err error) {
	line, err := json.Marshal(command)
	if err != nil {
		return nil, err
	}
	if _, err := w.conn.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	if line, err = w.in.ReadBytes('\n'); err != nil {
		return nil, err
	}
	var answer struct {
		Error string            `json:"error"`
		Files []json.RawMessage `json:"files"`
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("watchman: %s", answer.Error)
	}
	return answer.Files, nil
}

// find returns the files of a name ("" for all), after a barrier.
func (w *watchman) find(name string) (int, error) {
	expression := []any{"name", name}
	if name == "" {
		expression = []any{"exists"}
	}
	files, err := w.ask("query", w.root, map[string]any{
		"expression": []any{"allof", []any{"exists"}, expression}, "fields": []string{"name"}, "sync_timeout": 600_000,
	})
	return len(files), err
}

func (w *watchman) count(_ context.Context, name string) (int, error) { return w.find(name) }

func (w *watchman) pid() int { return w.cmd.Process.Pid }

func (w *watchman) stop() error {
	if w.conn != nil {
		w.conn.Close()
	}
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	_ = w.cmd.Wait()
	return nil
}
