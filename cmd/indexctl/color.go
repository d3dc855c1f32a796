package main

import "os"

var colorChoices = []string{"auto", "always", "never"}

// colored decides whether matches are coloured: as --color says, and by itself
// only on a terminal that can, for users who have not asked for none
// (https://no-color.org).
func colored(when string, terminal bool) bool {
	switch when {
	case "always":
		return true
	case "never":
		return false
	}
	term := os.Getenv("TERM")
	return terminal && os.Getenv("NO_COLOR") == "" && term != "" && term != "dumb"
}

// grep's colour of a match, and the way back.
const (
	colorMatch = "\x1b[1;31m"
	colorOff   = "\x1b[m"
)
