package wire

// CheckRequest asks to compare the index with the file system.
type CheckRequest struct {
	Path   string `json:"path,omitempty"` // absolute; "": every root
	Repair bool   `json:"repair,omitempty"`
}

// Kinds of Difference, as seen from the index: what it has to do to be true.
const (
	DiffCreated  = "created"  // on disk, not in the index
	DiffRemoved  = "removed"  // in the index, not on disk
	DiffModified = "modified" // in both, not the same
	DiffError    = "error"    // could not be compared
)

// Difference is one path where index and file system do not agree.
type Difference struct {
	Path     string   `json:"path"`
	Change   string   `json:"change"`
	Fields   []string `json:"fields,omitempty"` // of DiffModified: "size", "mtime", …
	Detail   string   `json:"detail,omitempty"` // for a person
	Repaired bool     `json:"repaired,omitempty"`
}

// CheckResult ends the stream of differences.
type CheckResult struct {
	Dirs        int64    `json:"dirs"` // compared
	Entries     int64    `json:"entries"`
	Differences int64    `json:"differences"`
	Repaired    int64    `json:"repaired"`
	Errors      int64    `json:"errors"`
	Error       *Problem `json:"error,omitempty"` // why it stopped before its end
}

// MarshalJSON implements json.Marshaler.
func (v CheckRequest) MarshalJSON() ([]byte, error) {
	type plain CheckRequest
	return marshalExact(plain(v), "path", v.Path)
}

// UnmarshalJSON implements json.Unmarshaler. As this is a request, it refuses
// fields that it does not know.
func (v *CheckRequest) UnmarshalJSON(data []byte) error {
	type plain CheckRequest
	x := struct {
		*plain
		B64 []byte `json:"path_b64"`
	}{plain: (*plain)(v)}
	if err := unmarshalStrict(data, &x); err != nil {
		return err
	}
	if x.B64 != nil {
		v.Path = string(x.B64)
	}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (v Difference) MarshalJSON() ([]byte, error) {
	type plain Difference
	return marshalExact(plain(v), "path", v.Path)
}

// UnmarshalJSON implements json.Unmarshaler.
func (v *Difference) UnmarshalJSON(data []byte) error {
	type plain Difference
	return unmarshalExact(data, (*plain)(v), "path", &v.Path)
}
