package config

import (
	"testing"
)

// FuzzTOML parses arbitrary input as a configuration file and makes rules of it: a
// mistake gives an error with a text.
func FuzzTOML(f *testing.F) {
	f.Add("roots = [\"/home\", \"/srv\"]\nworkers = 4\nwatch = \"inotify\"\nsweep-interval = \"10m\"\n")
	f.Add("exclude = [\"*.o\", \"\", \"/a/**\"]\nprune-fs = [\"ext4\"]\nprune-name = [\".git\"]\n")
	f.Add("socket-mode = \"0666\"\nwatch-share = 100\nlog-level = \"debug\"\nlog-format = \"json\"\n")
	f.Add("[exclude]\na = 1\n[[b.c]]\nd = 1979-05-27T07:32:00Z\n")
	f.Add("db.x = 1\n\"roots\" = [1, 2.5, inf]\n")
	f.Fuzz(func(t *testing.T, text string) {
		b := &builder{Config: &Config{AdminGID: -1}}
		err := b.readTOML(text)
		if err == nil && b.updatedb == "" {
			_, err = b.rules()
		}
		if err != nil && err.Error() == "" {
			t.Fatal("an error without a text")
		}
	})
}
