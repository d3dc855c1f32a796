// Package systemd holds the units that indexd is run by, and what they need, as
// files; in Go there are only tests of them, some on a real systemd.
package systemd
