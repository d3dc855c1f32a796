package mounts

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkParse1000(b *testing.B) {
	var t strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&t, "%d %d 0:%d / /var/lib/docker/overlay2/%064x/merged rw,relatime shared:%d - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/%026x:/var/lib/docker/overlay2/l/%026x,upperdir=/var/lib/docker/overlay2/%064x/diff\n", i+30, 29, i, i, i, i, i, i)
	}
	b.SetBytes(int64(t.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(strings.NewReader(t.String())); err != nil {
			b.Fatal(err)
		}
	}
}
