package query_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	_ "indexd/internal/query/plan"
)

// The client links these packages, so they must do nothing at init.
func TestNoInit(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(string(out), "init ") {
		t.Fatalf("no trace of init: %s", out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "init indexd/") && !strings.HasPrefix(line, "init indexd/store/") {
			t.Error(line)
		}
	}
}
