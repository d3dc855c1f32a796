package wire

// CheckRequest asks for a comparison of the index with the file system.
type CheckRequest struct {
	Path   string `json:"path,omitempty"` // absolute; all roots if empty
	Repair bool   `json:"repair,omitempty"`
}

// Kinds of Difference: how the index has to change to be correct.
const (
	DiffCreated  = "created"  // on disk but not in the index
	DiffRemoved  = "removed"  // in the index but not on disk
	DiffModified = "modified" // in both, but different
	DiffError    = "error"    // could not be compared
)

// Difference is a path for which index and file system differ.
type Difference struct {
	Path     string   `json:"path"`
	Change   string   `json:"change"`
	Fields   []string `json:"fields,omitempty"` // of DiffModified, such as "size" or "mtime"
	Detail   string   `json:"detail,omitempty"` // for people
	Repaired bool     `json:"repaired,omitempty"`
}

// CheckResult ends the stream of differences.
type CheckResult struct {
	Dirs        int64    `json:"dirs"` // compared
	Entries     int64    `json:"entries"`
	Differences int64    `json:"differences"`
	Repaired    int64    `json:"repaired"`
	Errors      int64    `json:"errors"`
	Error       *Problem `json:"error,omitempty"` // why the check ended early
}

// MarshalJSON implements json.Marshaler.
func (v CheckRequest) MarshalJSON() ([]byte, error) {
	type plain CheckRequest
	return marshalExact(plain(v), "path", v.Path)
}

// UnmarshalJSON implements json.Unmarshaler. As this is a request, it rejects unknown
// fields.
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
