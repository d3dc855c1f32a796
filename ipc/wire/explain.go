package wire

import "time"

// Explanation is what is known about one path.
type Explanation struct {
	Path    string `json:"path"`
	Indexed bool   `json:"indexed"`
	// Reason says in a line why it is not indexed, by which rule or error.
	Reason   string     `json:"reason,omitempty"`
	Rule     string     `json:"rule,omitempty"` // the setting that excludes it, as written
	Type     string     `json:"type,omitempty"` // a letter, as in a Row
	Root     string     `json:"root,omitempty"`
	Volume   string     `json:"volume,omitempty"`
	Coverage string     `json:"coverage,omitempty"` // "watched", "swept", "none"
	Pending  bool       `json:"pending,omitempty"`  // to be listed (again)
	Listed   *time.Time `json:"listed,omitempty"`   // when its directory, or it as a directory, was last listed
	Error    string     `json:"error,omitempty"`    // of the last attempt to list it
	ErrorAt  *time.Time `json:"error_at,omitempty"`
	Entries  int64      `json:"entries,omitempty"` // of a directory, in it
	// Notes are further lines for a person.
	Notes []string `json:"notes,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (v Explanation) MarshalJSON() ([]byte, error) {
	type plain Explanation
	return marshalExact(plain(v), "path", v.Path)
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Explanation) UnmarshalJSON(data []byte) error {
	type plain Explanation
	return unmarshalExact(data, (*plain)(v), "path", &v.Path)
}
