package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// onTerminal is run with stdout on a terminal that passes everything through unchanged.
func (l *locator) onTerminal(before, args []string) (string, int) {
	l.t.Helper()
	ctl, tty := openTerminal(l.t)
	defer ctl.Close()
	cmd := exec.Command(before[0], append(before[1:len(before):len(before)], args...)...)
	cmd.Env = l.env
	cmd.Stdout = tty
	var shown bytes.Buffer
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = shown.ReadFrom(ctl) }) // ends with EIO when nobody has the terminal open
	err := cmd.Run()
	tty.Close()
	wg.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		l.t.Fatal(err)
	}
	return shown.String(), cmd.ProcessState.ExitCode()
}

// openTerminal opens a terminal: what is written to tty can be read from ctl.
func openTerminal(t *testing.T) (ctl, tty *os.File) {
	t.Helper()
	ctl, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	n, err := unix.IoctlGetInt(int(ctl.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(ctl.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	attr, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	attr.Oflag &^= unix.OPOST
	if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, attr); err != nil {
		t.Fatal(err)
	}
	return ctl, tty
}
