package rules

import (
	"strings"
	"testing"
)

// FuzzUpdatedb parses arbitrary input as updatedb.conf: it gives rules, or an error with
// a line number.
func FuzzUpdatedb(f *testing.F) {
	f.Add("PRUNE_BIND_MOUNTS = \"yes\"\n# PRUNENAMES=\".git .bzr\"\nPRUNEPATHS=\"/tmp /var/spool\"\nPRUNEFS=\"NFS afs\"\n")
	f.Add(" PRUNENAMES = \".git\" # x\r\nPRUNENAMES=\"\"")
	f.Add("PRUNEPATHS=\"/a\nx\"")
	f.Add("PRUNEPATHS=\"/0\x00\"")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parseUpdatedb("FILE", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "FILE:") {
				t.Fatal(err)
			}
			return
		}
		if _, err := New(Config{PruneNames: u.PruneNames, PrunePaths: u.PrunePaths, PruneFS: u.PruneFS}); err != nil {
			t.Fatalf("%+v: %v", u, err)
		}
	})
}
