// Package systemd contains the units of indexd and related files. The Go files only test
// them, some on a real systemd.
package systemd
