package indexer

import (
	"fmt"
	"math"
	"testing"
)

// FuzzPressure parses anything as a pressure file. The result is a share of time, and for a
// file as the kernel writes it the right one.
func FuzzPressure(f *testing.F) {
	f.Add([]byte("some avg10=12.34 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00 avg60=0.00"), uint16(1234))
	f.Add([]byte("some avg10=NaN "), uint16(0))
	f.Add([]byte("some avg10=+Inf avg60=0.00"), uint16(10000))
	f.Add([]byte("some avg10=-1e400"), uint16(99))
	f.Fuzz(func(t *testing.T, text []byte, share uint16) {
		if v := parsePressure(text); !(v >= 0 && v <= 100) {
			t.Errorf("%q is %v", text, v)
		}
		share %= 10001
		text = fmt.Appendf(nil, "some avg10=%d.%02d avg60=1.00 avg300=2.00 total=3\n%s", share/100, share%100, text)
		if v := parsePressure(text); math.Abs(v-float64(share)/100) > 1e-9 {
			t.Errorf("%q is %v", text, v)
		}
	})
}
