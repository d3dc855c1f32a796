// Package ipc is how indexd and its clients talk: the wire types and a typed
// client. docs/protocol.md describes the same for other languages.
//
// The protocol is HTTP with JSON on a unix socket. A long answer is a stream
// of lines, one JSON object each, or of raw paths, each ended by NUL; every
// stream ends with a marker of its own, without which it was cut off.
//
// A client must start fast, so this package does without net/http, whose init is
// as long as a short answer takes, and without net, which would have the program
// load libc: a request is HTTP/1.0 written by hand on a socket. The server is
// package ipc/server.
package ipc

// Protocol is the version of what is spoken here; it is also the first element
// of every path ("/v1/…"). A change that an old peer would misunderstand makes
// it another number; new fields in answers do not.
const Protocol = 1

// Headers that are not HTTP's own.
const (
	// HeaderProtocol is in every answer and has the server's Protocol.
	HeaderProtocol = "Indexd-Protocol"
	// HeaderVersion is in every answer and has the daemon's version.
	HeaderVersion = "Indexd-Version"
)

// Media types.
const (
	TypeJSON    = "application/json"
	TypeNDJSON  = "application/x-ndjson"
	TypePaths0  = "application/vnd.indexd.paths0" // paths ended by NUL, an empty one, a JSON Trailer
	TypeProblem = "application/problem+json"
)
