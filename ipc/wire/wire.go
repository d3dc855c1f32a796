// Package wire defines what indexd and its clients send each other: the
// requests and answers as Go types, with their encodings. docs/protocol.md
// describes the same for other languages.
//
// The protocol is HTTP with JSON on a unix socket. A long answer is a stream of
// lines, one JSON object each, or of raw paths, each ended by NUL. Every stream
// ends with an end marker; without one the answer was cut off.
//
// The package is at the base of the repository, so that the engine can produce
// these types and nothing has to convert them. It has no work to do at init,
// because every start of the client pays for that.
package wire

// Protocol is the version of the protocol, which is also the first element of every path
// ("/v1/…"). It changes when an old peer would misunderstand a change; new fields in
// answers do not change it.
const Protocol = 1

// Headers of the protocol.
const (
	// HeaderProtocol is in every answer and has the Protocol of the server.
	HeaderProtocol = "Indexd-Protocol"
	// HeaderVersion is in every answer and has the version of the daemon.
	HeaderVersion = "Indexd-Version"
)

// Media types.
const (
	TypeJSON    = "application/json"
	TypeNDJSON  = "application/x-ndjson"
	TypePaths0  = "application/vnd.indexd.paths0" // paths terminated by NUL, an empty one, a JSON Trailer
	TypeProblem = "application/problem+json"
)
