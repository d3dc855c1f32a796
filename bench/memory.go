package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"indexd/internal/testutil/cgroup"
)

// littleMemory is the limit of the cgroups in bytes.
const littleMemory = 128 << 20

// limited starts a daemon in a cgroup.
func (b *bench) limited(g *cgroup.Group, name string, args ...string) (*daemon, error) {
	b.before = g.In()
	defer func() { b.before = nil }()
	return b.start(name, args...)
}

// memory creates and queries a synthetic database in a cgroup with little memory.
func (b *bench) memory() error { return inGroup(b.syntheticLimited) }

// watched indexes and watches a real tree in such a cgroup.
func (b *bench) watched() error { return inGroup(b.realLimited) }

func inGroup(do func(*cgroup.Group) error) error {
	g, err := cgroup.New(littleMemory)
	if err != nil {
		fmt.Println("left out:", err)
		return nil
	}
	err = do(g)
	return errors.Join(err, g.Remove())
}

// usage is a row of a table of the cgroup's memory usage.
func usage(g *cgroup.Group, what string) {
	all, kernel := g.Usage()
	fmt.Printf("| in use %s, the kernel's of it, at most, killed | %.1f MiB, %.1f, %.1f, **%d** |\n", what,
		float64(all)/(1<<20), float64(kernel)/(1<<20), float64(g.Peak())/(1<<20), g.Killed())
}

// self runs this program in the cgroup, with a Go memory limit below that of the cgroup.
func self(g *cgroup.Group, args ...string) error {
	name, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := g.Command(name, args...)
	cmd.Env = append(os.Environ(), "GOMEMLIMIT="+strconv.Itoa(littleMemory/2))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", args[0], err, out)
	}
	return nil
}

// syntheticLimited creates a synthetic database in the cgroup, and makes every kind of
// request to a daemon in it.
func (b *bench) syntheticLimited(g *cgroup.Group) error {
	root := filepath.Join(b.dir, "memory.tree")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	d, err := b.limited(g, "memory", append(quiet, root)...)
	if err != nil {
		return err
	}
	if err := errors.Join(d.ready(b.ctx), d.stop()); err != nil {
		return err
	}
	var (
		list    []*question
		entries int64
		wantErr error
		wg      sync.WaitGroup
	)
	wg.Go(func() { list, entries, wantErr = b.want(root) })
	begun := time.Now()
	err = self(g, "-load", d.db, "-tree", root, "-synth", strconv.Itoa(b.synth))
	took := time.Since(begun)
	wg.Wait()
	if err := errors.Join(err, wantErr); err != nil {
		return err
	}
	size := int64(0)
	if fi, err := os.Stat(d.db); err == nil {
		size = fi.Size()
	}
	fmt.Printf("| in %d MiB | |\n| --- | --- |\n", littleMemory>>20)
	fmt.Printf("| %d synthetic entries, a database of %.0f MiB, fed through Encode and Apply, with postings, in | %s |\n",
		entries, float64(size)/(1<<20), took.Round(time.Second/10))
	usage(g, "after it")

	if d, err = b.limited(g, "memory", append(quiet, root)...); err != nil {
		return err
	}
	a := &asking{b: b, g: g, d: d, begun: time.Now()}
	return errors.Join(a.all(list), d.stop(), b.verifyLimited(g, d.db))
}

// verifyLimited verifies the database offline in the cgroup.
func (b *bench) verifyLimited(g *cgroup.Group, db string) error {
	begun := time.Now()
	if out, err := g.Command(b.bin("indexd"), "--config", "/dev/null", "--db", db, "--verify-db").CombinedOutput(); err != nil {
		return fmt.Errorf("--verify-db: %w: %s", err, out)
	}
	fmt.Printf("| `--verify-db` | | yes | %.1f s | | | %.1f MiB | %d |\n", time.Since(begun).Seconds(), float64(g.Peak())/(1<<20), g.Killed())
	return nil
}

// asking makes requests to a daemon in a cgroup.
type asking struct {
	b     *bench
	g     *cgroup.Group
	d     *daemon
	begun time.Time // when d was started
	wrong []error
}

// all makes each request alone and then eight at once.
func (a *asking) all(list []*question) error {
	if err := a.d.answers(a.b.ctx); err != nil {
		return err
	}
	a.head()
	scan := list[4]
	if err := a.row(scan.name+", while it looks for damage as after every start", scan); err != nil {
		return err
	}
	if err := a.d.client.Wait(a.b.ctx, false); err != nil {
		return err
	}
	took := make(map[*question]time.Duration)
	for _, q := range list {
		begun := time.Now()
		if err := a.row(q.name, q); err != nil {
			return err
		}
		took[q] = time.Since(begun)
	}
	slices.SortFunc(list, func(p, q *question) int { return cmp.Compare(took[q], took[p]) })
	if err := a.row("the eight that took longest, at once", list[:8]...); err != nil {
		return err
	}
	return a.end()
}

// head prints the head of the table.
func (a *asking) head() {
	fmt.Println("\n| question | finds | right | took | read from disk | the daemon's own memory, at most | the group's, at most | killed |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- |")
}

// row makes some requests at once and prints a row with their cost.
func (a *asking) row(name string, list ...*question) error {
	var wg sync.WaitGroup
	errs, wrong := make([]error, len(list)), make([]error, len(list))
	peak, read, begun := a.d.peak(), a.d.read(), time.Now()
	for i, q := range list {
		wg.Go(func() { wrong[i], errs[i] = a.put(q) })
	}
	wg.Wait()
	took, most := time.Since(begun), peak()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s: %w (%d processes of the group were killed)", name, err, a.g.Killed())
	}
	finds, right := int64(0), "yes"
	for _, q := range list {
		finds += q.finds()
	}
	if err := errors.Join(wrong...); err != nil {
		right = "**no**"
		a.wrong = append(a.wrong, fmt.Errorf("%s: %w", name, err))
	}
	fmt.Printf("| %s | %d | %s | %.2f s | %.0f MiB | %.1f MiB | %.1f MiB | %d |\n", name, finds, right, took.Seconds(),
		float64(a.d.read()-read)/(1<<20), most, float64(a.g.Peak())/(1<<20), a.g.Killed())
	return nil
}

// put runs indexctl outside of the cgroup, and returns what is wrong with its answer.
func (a *asking) put(q *question) (wrong, err error) {
	cmd := exec.CommandContext(a.b.ctx, a.b.bin("indexctl"), append([]string{"--socket", a.d.socket}, q.args...)...)
	said := new(strings.Builder)
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	wrong, err = q.check(out)
	_, _ = io.Copy(io.Discard, out)
	if waitErr := cmd.Wait(); waitErr != nil {
		err = errors.Join(err, fmt.Errorf("indexctl: %w: %s", waitErr, said))
	}
	return wrong, err
}

// end returns what was wrong, and an error if anything was killed, or if the daemon is
// not the one that was started, or has started a new database.
func (a *asking) end() error {
	status, err := a.d.client.Status(a.b.ctx)
	if err != nil {
		return err
	}
	up := time.Duration(status.Uptime * float64(time.Second))
	if asked := time.Since(a.begun); status.PID != a.d.cmd.Process.Pid || up < asked-5*time.Second {
		err = fmt.Errorf("it began anew: process %d is up for %s, %d was started %s ago", status.PID, up, a.d.cmd.Process.Pid, asked)
	}
	if n := a.g.Killed(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d processes were killed", n))
	}
	return errors.Join(err, errors.Join(a.wrong...))
}

// read returns how many bytes were read from disks for the daemon.
func (d *daemon) read() int64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", d.cmd.Process.Pid))
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "read_bytes:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return n
		}
	}
	return 0
}
