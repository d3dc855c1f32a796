package systemd

import (
	"os/exec"
	"strings"
	"testing"
)

// TestExposure checks systemd's rating of what a unit could do, from 0 to 10, in tenths.
func TestExposure(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	for unit, most := range map[string]string{"indexd.service": "12", "indexd-rescan.service": "5"} {
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold="+most, unit).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Log(lines[len(lines)-1])
	}
}
