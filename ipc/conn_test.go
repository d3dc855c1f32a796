package ipc

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"syscall"
	"testing"
)

// connected returns both ends of a connection, ours as Client makes it.
func connected(t *testing.T) (ours io.ReadWriteCloser, theirs *net.UnixConn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if ours, err = connect(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

func TestConn(t *testing.T) {
	ours, theirs := connected(t)
	long := bytes.Repeat([]byte("0123456789"), 1<<17) // more than a socket holds
	go func() {
		ours.Write(long)
		ours.Close()
	}()
	if got, err := io.ReadAll(theirs); err != nil || !bytes.Equal(got, long) {
		t.Errorf("%d bytes of %d arrived, %v", len(got), len(long), err)
	}

	reader, writer := connected(t)
	go func() {
		writer.Write(long)
		writer.Close()
	}()
	if got, err := io.ReadAll(reader); err != nil || !bytes.Equal(got, long) {
		t.Errorf("%d bytes of %d arrived, %v", len(got), len(long), err)
	}
}

// Close ends a Read and a Write that wait, which then say so, and the
// descriptor is closed once.
func TestConnClose(t *testing.T) {
	ours, theirs := connected(t)
	read, written := make(chan error), make(chan error)
	go func() {
		_, err := ours.Read(make([]byte, 1))
		read <- err
	}()
	go func() {
		_, err := ours.Write(make([]byte, 16<<20))
		written <- err
	}()
	if _, err := io.ReadFull(theirs, make([]byte, 1000)); err != nil { // the Write is under way
		t.Fatal(err)
	}
	if err := ours.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	if err := <-written; !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	if err := ours.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Close again: %v", err)
	}
	if _, err := ours.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Read afterwards: %v", err)
	}
	if _, err := io.Copy(io.Discard, theirs); err != nil {
		t.Errorf("the other end: %v", err)
	}
}

// A queue that is full is said at once, not waited for.
func TestConnectToFullQueue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c, err := connect(t.Context(), path)
		if errors.Is(err, syscall.EAGAIN) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	t.Error("three connections fit into a queue of one")
}
