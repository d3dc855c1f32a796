package store_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"indexd/store"
	"indexd/store/dbfile"
)

// shapes makes of what is done to files a list to compare: bbolt chooses among
// free pages at random, so pages that are written together are one line.
type shapes struct {
	lines []string
	pages int // bytes of the line that is being made
	of    string
}

func (s *shapes) add(format string, args ...any) {
	if s.pages > 0 {
		s.lines = append(s.lines, fmt.Sprintf("%d bytes of pages of %s", s.pages, s.of))
		s.pages = 0
	}
	if format != "" {
		s.lines = append(s.lines, fmt.Sprintf(format, args...))
	}
}

func (s *shapes) write(file string, off int64, n int) {
	switch {
	case off == 0 && n > os.Getpagesize():
		s.add("first pages of %s", file)
	case off < 2*int64(os.Getpagesize()):
		s.add("meta page %d of %s", off/int64(os.Getpagesize()), file)
	default:
		s.pages += n
		s.of = file
	}
}

// anon takes out of a name what is chosen at random.
func anon(path string) string {
	return regexp.MustCompile(`new-[0-9a-f]+`).ReplaceAllString(filepath.Base(path), "new")
}

// Fault notes what is done, as strace does.
func (s *shapes) Fault(p dbfile.Point) error {
	if !p.Done {
		return nil
	}
	switch p.Op {
	case dbfile.OpWrite:
		s.write(anon(p.Path), p.Off, len(p.Data))
	case dbfile.OpTruncate:
		s.add("%s has %d bytes", anon(p.Path), p.Off)
	case dbfile.OpRename:
		s.add("%s becomes %s", anon(p.Path), anon(p.To))
	case dbfile.OpSync:
		s.add("sync %s", anon(p.Path))
	case dbfile.OpSyncDir:
		s.add("sync the directory")
	case dbfile.OpRemove:
		s.add("remove %s", anon(p.Path))
	}
	return nil
}

// trace notes what strace -y says was done in dir.
func (s *shapes) trace(out, dir string) {
	call := regexp.MustCompile(`^(\w+)\((.*)\) += (\d+)`)
	resumed := regexp.MustCompile(`^<\.\.\. \w+ resumed>`)
	onFile := regexp.MustCompile(`^\d+<([^>]*)>`)
	numbers := regexp.MustCompile(`(\d+)(?:, (\d+))?$`)
	named := regexp.MustCompile(`"([^"]*)"`)
	begun := make(map[string]string) // by thread: a call that another's came between
	for line := range strings.Lines(out) {
		thread, line, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		line = strings.TrimSpace(line)
		if head, ok := strings.CutSuffix(line, " <unfinished ...>"); ok {
			begun[thread] = head
			continue
		}
		if at := resumed.FindString(line); at != "" {
			line = begun[thread] + line[len(at):]
		}
		m := call.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name, args := m[1], m[2]
		file := ""
		if f := onFile.FindStringSubmatch(args); f != nil {
			file = strings.TrimSuffix(f[1], " (deleted)")
		}
		names := named.FindAllStringSubmatch(args, -1)
		if !strings.HasPrefix(file, dir) && (len(names) == 0 || !strings.HasPrefix(names[0][1], dir)) {
			continue
		}
		n := [2]int64{}
		if f := numbers.FindStringSubmatch(args); f != nil {
			fmt.Sscan(f[1], &n[0])
			fmt.Sscan(f[2], &n[1])
		}
		switch name {
		case "pwrite64":
			s.write(anon(file), n[1], int(n[0]))
		case "ftruncate":
			s.add("%s has %d bytes", anon(file), n[0])
		case "fsync", "fdatasync":
			if file == dir {
				s.add("sync the directory")
			} else {
				s.add("sync %s", anon(file))
			}
		case "rename", "renameat", "renameat2":
			s.add("%s becomes %s", anon(names[0][1]), anon(names[1][1]))
		case "unlink", "unlinkat":
			s.add("remove %s", anon(names[0][1]))
		}
	}
	s.add("")
}

// TestFilesHere is the process that is traced: STORE_FILES is its directory, and
// what the points say goes to the file STORE_SHAPES.
func TestFilesHere(t *testing.T) {
	dir, out := os.Getenv("STORE_FILES"), os.Getenv("STORE_SHAPES")
	if dir == "" {
		t.Skip("TestPointsAreWhatIsDone runs it")
	}
	y := faulty{t: t, path: filepath.Join(dir, "index.db"), f: newFakeFS(true)}
	for i := range 20000 { // so that the file grows more than once
		y.f.create(y.f.root, fmt.Sprintf("%x file", i*2654435761%1_000_000_007), false)
	}
	if out == "" {
		y.run(store.Options{})
		return
	}
	var s shapes
	y.run(store.Options{Faults: &s})
	s.add("")
	if err := os.WriteFile(out, []byte(strings.Join(s.lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What Faults is told is what the kernel is asked for when there are no Faults,
// in the same order.
func TestPointsAreWhatIsDone(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip(err)
	}
	side := memoryDir(t)
	run := func(args ...string) string {
		dir := filepath.Join(memoryDir(t), "db")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(args[0], append(slices.Clone(args[1:]), "-test.run=^TestFilesHere$")...)
		cmd.Env = append(os.Environ(), "STORE_FILES="+dir)
		if len(args) == 1 {
			cmd.Env = append(cmd.Env, "STORE_SHAPES="+filepath.Join(side, "shapes"))
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			if strings.Contains(string(out), "PTRACE") {
				t.Skipf("%s", out)
			}
			t.Fatalf("%v\n%s", err, out)
		}
		return dir
	}
	run(os.Args[0])
	told, err := os.ReadFile(filepath.Join(side, "shapes"))
	if err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(side, "trace")
	dir := run("strace", "-f", "-y", "-s", "1", "-o", trace, "-e",
		"trace=pwrite64,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat", os.Args[0])
	out, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var s shapes
	s.trace(string(out), dir)
	if diff := cmp.Diff(strings.Split(string(told), "\n"), s.lines); diff != "" || len(s.lines) < 30 {
		t.Errorf("told (-) and done (+), %d lines:\n%.3000s", len(s.lines), diff)
	}
}
