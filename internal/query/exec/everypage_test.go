package exec

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"indexd/internal/query"
	"indexd/internal/testutil/race"
	"indexd/internal/testutil/scale"
	"indexd/store"
)

const pageLen = 4096

// The kinds of damage.
const (
	zeroed = iota
	junked
	flipped // one bit
	hurts
)

// pageQuestions are asked of each damaged database.
var pageQuestions = []struct {
	req query.Request
	q   Query
}{
	{query.Request{Terms: []string{"network-d"}}, Query{}},
	{query.Request{Terms: []string{"f00"}}, Query{Sort: query.SortPath, Limit: 500}},
	{query.Request{Terms: []string{"internationalization"}, FullPath: true}, Query{Limit: 500}},
	{query.Request{}, Query{Sort: query.SortSize, Limit: 20}},
	{query.Request{}, Query{Sort: query.SortMtime, Limit: 20, Reverse: true}},
	{query.Request{Terms: []string{"a"}}, Query{Count: true}},
}

func pageAnswers(t testing.TB, st *store.Store) (answers []string, err error) {
	for _, c := range pageQuestions {
		c.q.Plan = compile(t, c.req)
		sink := &page{}
		sum, ferr := New(st, Options{}).Find(t.Context(), &c.q, sink)
		err = errors.Join(err, ferr)
		answers = append(answers, fmt.Sprint(sum.Count, " ", describe(sink.rows)))
	}
	return answers, err
}

// TestEveryPage damages one page of a database after the other, in a process of its
// own that must neither end nor hang. Each damage is refused when the database is
// opened, or found by Verify, which has to end before an answer is given without a
// warning; what is not found must not matter: every answer is right.
//
// INDEXD_PAGES is how many damages there are, or "all": three of each page.
// INDEXD_PAGES_ENTRIES is how many entries the database has; 800000 make 40 MB.
func TestEveryPage(t *testing.T) {
	scale.SkipIfShort(t)
	if race.On {
		t.Skip("a fault in the race detector's own code cannot be recovered from")
	}
	if file := os.Getenv("INDEXD_PAGES_FILE"); file != "" {
		damagePages(t, file)
		return
	}
	entries := 20_000
	if s := os.Getenv("INDEXD_PAGES_ENTRIES"); s != "" {
		entries, _ = strconv.Atoi(s)
	}
	file := filepath.Join(t.TempDir(), "index.db")
	madeUp(t, file, entries).Close()
	fi, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	all := int(fi.Size()/pageLen) * hurts
	cases, step := 45, 0
	switch s := os.Getenv("INDEXD_PAGES"); s {
	case "":
	case "all":
		cases = all
	default:
		cases, _ = strconv.Atoi(s)
	}
	step = max(all/max(cases, 1), 1)
	if step > 1 && step%hurts == 0 {
		step-- // so that all kinds come
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	seed := rand.Uint64()
	t.Logf("%d bytes, %d cases of %d, seed %d", fi.Size(), cases, all, seed)
	for at := 0; at < all; {
		cmd := exec.Command(self, "-test.run=^TestEveryPage$", "-test.v", "-test.timeout=0")
		cmd.Env = append(os.Environ(), "INDEXD_PAGES_FILE="+file, fmt.Sprintf("INDEXD_PAGES_CASES=%d %d %d %d", at, all, step, seed))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		hang := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
		now := at
		var rest []string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			hang.Reset(5 * time.Minute)
			var n int
			var verdict string
			if k, _ := fmt.Sscanf(lines.Text(), "case %d", &n); k == 1 {
				now = n
			} else if k, _ := fmt.Sscanf(lines.Text(), "verdict %s", &verdict); k == 1 {
				count[verdict]++
			} else {
				rest = append(rest, lines.Text())
			}
		}
		_, _ = io.Copy(io.Discard, out)
		err = cmd.Wait()
		hung := !hang.Stop()
		if err == nil {
			break
		}
		if hung {
			count["hung"]++
		}
		count["died"]++
		t.Errorf("page %d, damage %d: %v: %s\n%s", now/hurts, now%hurts, err, strings.Join(rest, "\n"), stderr.String())
		if err := restorePage(file); err != nil {
			t.Fatal(err)
		}
		at = now + step
	}
	t.Logf("%v", count)
	if count["wrong"] > 0 {
		t.Errorf("%d wrong answers without a warning", count["wrong"])
	}
}

// restorePage puts back what damagePages noted before it damaged a page.
func restorePage(file string) error {
	b, err := os.ReadFile(file + ".page")
	if err != nil || len(b) != 8+pageLen {
		return err
	}
	at := int64(0)
	for _, c := range b[:8] {
		at = at<<8 | int64(c)
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b[8:], at)
	return errors.Join(err, f.Close())
}

// damagePages is the process that is not to end.
func damagePages(t *testing.T, file string) {
	var from, to, step int
	var seed uint64
	if _, err := fmt.Sscan(os.Getenv("INDEXD_PAGES_CASES"), &from, &to, &step, &seed); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(file, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	want, err := pageAnswers(t, st)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n := from; n < to; n += step {
		fmt.Println("case", n)
		at := int64(n/hurts) * pageLen
		note := make([]byte, 8+pageLen)
		for i := range 8 {
			note[i] = byte(at >> (56 - 8*i))
		}
		was := note[8:]
		if _, err := f.ReadAt(was, at); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file+".page", note, 0o600); err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		now := bytes.Clone(was)
		switch n % hurts {
		case zeroed:
			clear(now)
		case junked:
			for i := range now {
				now[i] = byte(r.Uint32())
			}
		case flipped:
			now[r.IntN(pageLen)] ^= 1 << r.IntN(8)
		}
		if _, err := f.WriteAt(now, at); err != nil {
			t.Fatal(err)
		}
		verdict := pageVerdict(t, file, want)
		if _, err := f.WriteAt(was, at); err != nil {
			t.Fatal(err)
		}
		fmt.Println("verdict", verdict)
	}
}

// pageVerdict opens a damaged database, asks it questions and verifies it, as a daemon does.
func pageVerdict(t *testing.T, file string, want []string) string {
	st, err := store.Open(file, store.Options{ReadOnly: true})
	if errors.Is(err, store.ErrDamaged) || errors.Is(err, store.ErrNotDatabase) {
		return "refused"
	}
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	got, err := pageAnswers(t, st)
	// Until this is done, every answer has a warning.
	damaged, verr := st.Verify(t.Context())
	switch {
	case errors.Is(verr, store.ErrDamaged):
		return "given-up"
	case verr != nil:
		t.Fatal(verr)
	case len(damaged) > 0:
		return "listed-again"
	case err != nil:
		return "warned"
	}
	for i := range want {
		if got[i] != want[i] {
			fmt.Printf("%+v:\n%s\nwant\n%s\n", pageQuestions[i].req, got[i], want[i])
			return "wrong"
		}
	}
	return "harmless"
}
