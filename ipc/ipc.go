// Package ipc is the typed client of indexd. Package ipc/wire has the types
// that it sends and receives, package ipc/server answers.
//
// A client must start fast, so this package does without net/http, whose init
// takes as long as a short answer, and without net, which would make the program
// load libc: a request is HTTP/1.0 written by hand on a socket.
package ipc
