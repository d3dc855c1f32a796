// Package version holds the version of both programs.
package version

// Version is set by the linker: -ldflags "-X indexd/internal/version.Version=1.2.3".
var Version = "devel"
