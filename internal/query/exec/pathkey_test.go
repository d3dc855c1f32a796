package exec

import (
	"strings"
	"testing"
)

func TestAppendPath(t *testing.T) {
	for _, pk := range []string{"", "\x00a", "\x00\x01\x00\xff\x80\x00\x7f", "\x00usr\x00share\x00doc", strings.Repeat("\x00\x01\x01abc\xff", 40)} {
		for cut := range len(pk) + 1 {
			pk := pk[cut:]
			want := "x" + strings.ReplaceAll(pk, "\x00", "/")
			if pk == "" {
				want = "x/"
			}
			if got := string(appendPath([]byte("x"), []byte(pk))); got != want {
				t.Errorf("%q: %q", pk, got)
			}
		}
	}
}
