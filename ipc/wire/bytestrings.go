package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Paths and names are bytes, but JSON strings are Unicode. In Go a path is a string that
// may hold any byte. On the wire, a field that is not valid UTF-8 has each invalid byte
// replaced by U+FFFD, and a second field, with "_b64" appended to its name, has the exact
// bytes in base64. In a list, such an element is an object instead: {"b64": "…"}.

// ByteStrings is a list of strings of any bytes.
type ByteStrings []string

type base64String struct {
	B64 []byte `json:"b64"`
}

// MarshalJSON implements json.Marshaler.
func (t ByteStrings) MarshalJSON() ([]byte, error) {
	list := make([]any, len(t))
	for i, s := range t {
		if utf8.ValidString(s) {
			list[i] = s
		} else {
			list[i] = base64String{[]byte(s)}
		}
	}
	return json.Marshal(list)
}

// UnmarshalJSON implements json.Unmarshaler. A single string is a list of one.
func (t *ByteStrings) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil && string(data) != "null" {
		*t = ByteStrings{one}
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	if *t = nil; list != nil {
		*t = make(ByteStrings, 0, len(list))
	}
	for i, raw := range list {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil || string(raw) == "null" {
			var b base64String
			if err := json.Unmarshal(raw, &b); err != nil || b.B64 == nil {
				return fmt.Errorf(`element %d is neither a string nor {"b64": "…"}`, i)
			}
			s = string(b.B64)
		}
		*t = append(*t, s)
	}
	return nil
}

// marshalExact encodes v, a struct whose field called name has the value text, and adds
// the exact bytes of text if JSON cannot hold them. The type of v must not have a
// MarshalJSON method.
func marshalExact(v any, name, text string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	out := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if utf8.ValidString(text) {
		return out, nil
	}
	out = append(out[:len(out)-1], `,"`+name+`_b64":"`...)
	out = base64.StdEncoding.AppendEncode(out, []byte(text))
	return append(out, `"}`...), nil
}

// unmarshalExact decodes what marshalExact encoded into v, and sets *text to the exact
// bytes if there are any.
func unmarshalExact(data []byte, v any, name string, text *string) error {
	if err := json.Unmarshal(data, v); err != nil {
		return err
	}
	if !bytes.Contains(data, []byte(name+"_b64")) {
		return nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	if raw, ok := all[name+"_b64"]; ok {
		var b []byte
		if err := json.Unmarshal(raw, &b); err != nil {
			return fmt.Errorf("%s_b64: %w", name, err)
		}
		*text = string(b)
	}
	return nil
}

// unmarshalStrict is json.Unmarshal that rejects unknown fields.
func unmarshalStrict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}
