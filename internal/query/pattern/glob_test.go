package pattern

import (
	"testing"
	"time"

	"indexd/internal/query"
)

// A text that is not valid UTF-8 behind what a star could pass over ends the match, and does
// not make it go on for ever.
func TestLinearGlobEndsAtInvalidUTF8(t *testing.T) {
	budget := 1000
	g, ok := CompileGlob(query.ParseLocateGlob("*É*", true, false), LocateChars, true, &budget)
	if !ok {
		t.Fatal("it does not compile")
	}
	late := time.Now().Add(10 * time.Second)
	steps := StepBudget{gone: func() bool { return time.Now().After(late) }}
	for _, text := range []string{"a\xffb", "\xff", "é\xff", "É", "xéx"} {
		want := text == "É" || text == "xéx"
		if got := g.Match(new(GlobState), new(GlobState), text, &steps); got != want || steps.Stopped {
			t.Fatalf("%q: %v, stopped: %v", text, got, steps.Stopped)
		}
	}
}
