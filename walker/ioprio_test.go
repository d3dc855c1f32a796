package walker

import (
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestIdly checks with ionice(1) that the thread has idle priority during the call and
// its previous priority afterwards, even if that differs from what its niceness implies:
// a service may be started with one.
func TestIdly(t *testing.T) {
	if _, err := exec.LookPath("ionice"); err != nil {
		t.Skip("ionice is not installed")
	}
	runtime.LockOSThread() // and is not unlocked: the thread ends with the test
	tid := strconv.Itoa(unix.Gettid())
	class := func() string {
		t.Helper()
		out, err := exec.Command("ionice", "-p", tid).CombinedOutput()
		if err != nil {
			t.Fatalf("ionice: %v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	for _, c := range []struct{ class, level, want string }{
		{"none", "", class()},
		{"best-effort", "7", "best-effort: prio 7"},
		{"best-effort", "2", "best-effort: prio 2"},
		{"idle", "", "idle"},
	} {
		args := []string{"-p", tid, "-c", c.class}
		if c.level != "" {
			args = append(args, "-n", c.level)
		}
		if out, err := exec.Command("ionice", args...).CombinedOutput(); err != nil {
			t.Skipf("the priority cannot be set here: %v: %s", err, out)
		}
		if got := AtIdlePriority(class); got != "idle" {
			t.Errorf("from %q: meanwhile %q", c.want, got)
		}
		if got := class(); got != c.want {
			t.Errorf("from %q: after it %q", c.want, got)
		}
	}
}
