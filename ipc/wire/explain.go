package wire

import "time"

// Explanation is what is known about one path.
type Explanation struct {
	Path    string `json:"path"`
	Indexed bool   `json:"indexed"`
	// Reason says in one line why the path is not indexed: the rule or the error.
	Reason   string     `json:"reason,omitempty"`
	Rule     string     `json:"rule,omitempty"` // the setting that excludes the path, as written
	Type     string     `json:"type,omitempty"` // a letter, as in the JSON of a Row
	Root     string     `json:"root,omitempty"`
	Volume   string     `json:"volume,omitempty"`
	Coverage string     `json:"coverage,omitempty"` // "watched", "swept", "none"
	Pending  bool       `json:"pending,omitempty"`  // waiting to be listed
	Listed   *time.Time `json:"listed,omitempty"`   // when the directory, or the parent of anything else, was last listed
	Error    string     `json:"error,omitempty"`    // from the last attempt to list it
	ErrorAt  *time.Time `json:"error_at,omitempty"`
	Entries  int64      `json:"entries,omitempty"` // in a directory
	// Notes are further lines for people.
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
