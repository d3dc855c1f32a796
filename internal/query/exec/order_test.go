package exec

import (
	"testing"

	"indexd/internal/query"
)

// TestSortKeys shows that every order of the language has a case here, and the other way round.
func TestSortKeys(t *testing.T) {
	for _, k := range query.SortKeys() {
		key := sortKeys[k.Name]
		switch {
		case key == nil:
			t.Errorf("order %q has no sortKey", k.Name)
		case k.NeedsMeta != (key.number != nil):
			t.Errorf("order %q: NeedsMeta is %v", k.Name, k.NeedsMeta)
		}
	}
	if len(sortKeys) != len(query.SortKeys()) {
		t.Errorf("%d sortKeys for %d orders", len(sortKeys), len(query.SortKeys()))
	}
}
