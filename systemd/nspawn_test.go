package systemd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestMachine installs the package on a real systemd, where its service is queried,
// reloaded, killed, hung, restarted, upgraded and purged.
func TestMachine(t *testing.T) {
	m := boot(t)
	packages := build(t)
	m.people()
	before := m.traces()

	m.step("install", func(t *testing.T) { m.install(packages.old) })
	m.step("privileges", func(*testing.T) { m.privileges() })
	m.step("idly", func(*testing.T) { m.idly(m.pid(), "/") })
	m.step("everything", func(*testing.T) { m.everything() })
	m.step("users", func(*testing.T) { m.users() })
	m.step("mounts", func(*testing.T) { m.mounts() })
	m.step("reload", func(*testing.T) { m.reload() })
	m.step("kill", func(*testing.T) { m.kill() })
	m.step("hang", func(*testing.T) { m.hang() })
	m.step("restart", func(*testing.T) {
		m.unrefused(func() { m.run("systemctl", "restart", service) })
	})
	m.step("upgrade", func(*testing.T) { m.upgrade(packages.new) })
	m.step("activation", func(*testing.T) { m.activation() })
	m.step("timer", func(*testing.T) { m.timer() })
	m.step("user unit", func(*testing.T) { m.userUnit() })
	m.step("stop", func(*testing.T) { m.stop() })
	m.step("remove and purge", func(*testing.T) { m.purge(before) })
	t.Run("lintian", func(t *testing.T) { lint(t, packages.new) })
	t.Run("reproducible", func(t *testing.T) { reproduce(t, packages.new, "0~2") })
}

const (
	service = "indexd.service"
	socket  = "indexd.socket"
	config  = "/etc/indexd/indexd.toml"
)

// people creates two users, and files that not everybody may see.
func (m *machine) people() {
	m.t.Helper()
	m.sh(`for user in alice bob; do
		useradd --create-home --shell /bin/sh $user
		for dir in /home/$user /tmp /var/tmp; do
			mkdir -m 700 $dir/private-$user
			touch $dir/private-$user/of-$user
			chown -R $user: $dir/private-$user
		done
	done
	chmod 755 /home/alice /home/bob
	touch /home/alice/shared-name
	mkdir -p /usr/lib/modules/6.1/kernel
	touch /usr/lib/modules/6.1/kernel/some-module.ko`)
}

// install installs a package, and checks that the service runs and answers.
func (m *machine) install(deb string) {
	m.t.Helper()
	m.unpack(deb)
	m.serves()
	for _, unit := range []string{service, socket} {
		if got := m.run("systemctl", "is-enabled", unit); got != "enabled" {
			m.t.Errorf("%s is %s", unit, got)
		}
	}
	if got, _ := m.try("systemctl", "is-enabled", "indexd-rescan.timer"); got != "disabled" {
		m.t.Errorf("indexd-rescan.timer is %s", got)
	}
	m.run("indexctl", "wait", "--ready", "--timeout", "3m")
	if out, err := m.try("systemd-analyze", "verify", "--man=no", service, socket, "indexd-rescan.service", "indexd-rescan.timer"); out != "" || err != nil {
		m.t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

func (m *machine) unpack(deb string) {
	m.t.Helper()
	m.write("/root/package.deb", "")
	outside(m.t, "cp", deb, m.root+"/root/package.deb")
	m.run("dpkg", "--install", "/root/package.deb")
	m.run("rm", "/root/package.deb")
}

// serves returns when the service is active.
func (m *machine) serves() {
	m.t.Helper()
	eventually(m.t, "the service is active", func() error {
		if got := m.show(service, "ActiveState"); got != "active" {
			return errors.New(got)
		}
		return nil
	})
}

// privileges checks that the process runs as indexd, with one capability and no way to
// get more.
func (m *machine) privileges() {
	m.t.Helper()
	status := m.run("cat", "/proc/"+m.pid()+"/status")
	uid := m.run("id", "-u", "indexd")
	if uid == "0" || !strings.Contains(status, fmt.Sprintf("\nUid:\t%s\t%[1]s\t%[1]s\t%[1]s\n", uid)) {
		m.t.Errorf("it is not the user %s:\n%s", uid, status)
	}
	const dacReadSearch = "0000000000000004" // 1 << CAP_DAC_READ_SEARCH
	for _, set := range []string{"CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if !strings.Contains(status, "\n"+set+":\t"+dacReadSearch+"\n") {
			m.t.Errorf("%s is not %s:\n%s", set, dacReadSearch, status)
		}
	}
	if !strings.Contains(status, "\nNoNewPrivs:\t1\n") || !strings.Contains(status, "\nSeccomp:\t2\n") {
		m.t.Errorf("it may get new privileges, or make any call:\n%s", status)
	}
	// It can write where it should and nowhere else.
	if got := m.sh(`stat -c '%U %a' /var/lib/indexd /run/indexd`); got != "indexd 700\nindexd 755" {
		m.t.Errorf("directories: %q", got)
	}
	if got := m.sh(`stat -c '%a' /run/indexd/indexd.sock /var/lib/indexd/index.db`); got != "666\n600" {
		m.t.Errorf("socket and database: %q", got)
	}
}

// idly checks that a thread that compares directories reads with idle I/O priority, which
// the sandbox must allow, and that all threads have the unit's priority again afterwards.
// It runs checks of a tree until ionice(1) has seen one; command precedes indexctl.
func (m *machine) idly(pid, tree string, command ...string) {
	m.t.Helper()
	ctx, cancel := context.WithCancel(m.t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				// 1 means differences, which are possible since files change by
				// themselves.
				if _, err := m.try(slices.Concat(command, []string{"indexctl", "check", tree})...); err != nil && exitStatus(m.t, err) != 1 {
					m.t.Error(err)
					return
				}
			}
		})
	}
	// A thread may have ended meanwhile.
	classes := `for t in /proc/` + pid + `/task/*; do ionice -p ${t##*/} 2>/dev/null || true; done | sort -u`
	eventually(m.t, "a check reads idly", func() error {
		if out := m.sh(`for i in $(seq 5); do ` + classes + `; done`); !slices.Contains(strings.Split(out, "\n"), "idle") {
			return errors.New(out)
		}
		return nil
	})
	cancel()
	wg.Wait()
	eventually(m.t, "nothing is idle that does not check", func() error {
		if out := m.sh(classes); out != "best-effort: prio 7" {
			return errors.New(out)
		}
		return nil
	})
}

func (m *machine) pid() string {
	m.t.Helper()
	pid := m.show(service, "MainPID")
	if pid == "" || pid == "0" {
		m.t.Fatalf("no process: %q", pid)
	}
	return pid
}

// everything checks that the index contains what find(1) finds as root, including homes,
// temporary files and modules, although the service is in a sandbox.
func (m *machine) everything() {
	m.t.Helper()
	m.sees("root")
	for _, name := range []string{"/home/alice/private-alice/of-alice", "/tmp/private-bob/of-bob",
		"/var/tmp/private-bob/of-bob", "/usr/lib/modules/6.1/kernel/some-module.ko"} {
		if got := m.run("indexctl", "find", filepath.Base(name)); !slices.Contains(strings.Split(got, "\n"), name) {
			m.t.Errorf("%s is not in %q", name, got)
		}
	}
}

// users checks that root sees everything, and each of two users only what find(1) shows
// them, without a hint that there is more.
func (m *machine) users() {
	m.t.Helper()
	of := func(user string) string {
		return fmt.Sprintf("/home/%s/private-%[1]s/of-%[1]s\n/tmp/private-%[1]s/of-%[1]s\n/var/tmp/private-%[1]s/of-%[1]s", user)
	}
	for _, c := range []struct {
		user, term, want string
		status           int
	}{
		{"root", "of-alice", of("alice"), 0},
		{"alice", "of-alice", of("alice"), 0},
		{"alice", "of-bob", "", 1},
		{"bob", "of-bob", of("bob"), 0},
		{"bob", "of-alice", "", 1},
		{"bob", "shared-name", "/home/alice/shared-name", 0},
	} {
		got, status := m.as(c.user, "indexctl", "find", "--sync", "--sort", "path", c.term)
		if got != c.want || status != c.status {
			m.t.Errorf("%s asks for %s: %q, exit status %d", c.user, c.term, got, status)
		}
	}
	for _, user := range []string{"alice", "bob"} {
		m.sees(user)
	}
}

// sees compares what a user, with the given home directory, sees of the index with what
// find(1) shows them. It ignores what changes by itself, and other file systems.
func (m *machine) sees(user string) {
	m.t.Helper()
	const filter = ` | grep -vE '^/(var/log|var/lib/indexd|run|proc|sys|dev)(/|$)' | LC_ALL=C sort >/root/`
	m.sh(`touch /root/want /root/have
		{ runuser -u ` + user + ` -- find / -xdev -mindepth 1 2>/dev/null || true; }` + filter + `want
		runuser -u ` + user + ` -- indexctl find --sync --in /` + filter + `have
		diff /root/want /root/have
		rm /root/want /root/have`)
}

// mounts checks that file systems mounted while the service runs are visible in its
// namespace.
func (m *machine) mounts() {
	m.t.Helper()
	m.sh(`mkdir -p /home/late; sed -i 's|^roots = .*|roots = ["/", "/home/late"]|' ` + config)
	m.reloaded(1)
	m.sh(`mount -t tmpfs late /home/late; touch /home/late/seen-later`)
	eventually(m.t, "a file on what was mounted", func() error {
		_, err := m.try("indexctl", "find", "--sync", "--quiet", "seen-later")
		return err
	})
	// What is unmounted would stay in the index as offline, and be in the way here.
	m.sh(`rm /home/late/seen-later; indexctl find --sync seen-later || umount /home/late; rmdir /home/late; sed -i 's|^roots = .*|roots = ["/"]|' ` + config)
	m.reloaded(2)
}

// reloaded requests a reload, after which the journal contains that many.
func (m *machine) reloaded(times int) {
	m.t.Helper()
	m.run("systemctl", "reload", service)
	m.logged("the configuration was reloaded", times)
}

// logged returns when the log of the service contains a text that many times.
func (m *machine) logged(text string, times int) {
	m.t.Helper()
	eventually(m.t, text, func() error {
		log, err := m.try("journalctl", "--quiet", "--output=cat", "--unit="+service)
		if n := strings.Count(log, text); err != nil || n < times {
			return fmt.Errorf("%d times; %w", n, err)
		}
		return nil
	})
}

// reload checks that the same process reads the configuration again, and that an invalid
// one changes nothing.
func (m *machine) reload() {
	m.t.Helper()
	pid := m.pid()
	m.sh(`echo 'exclude = ["shared-name"]' >>` + config)
	m.reloaded(3)
	eventually(m.t, "the exclude holds", func() error {
		if out, _ := m.try("indexctl", "find", "shared-name"); out != "" {
			return errors.New(out)
		}
		return nil
	})
	m.sh(`echo 'nonsense = 1' >>` + config)
	m.run("systemctl", "reload", service)
	m.logged("the configuration was not reloaded", 1)
	m.sh(`sed -i '/nonsense/d;/shared-name/d' ` + config)
	m.reloaded(4)
	eventually(m.t, "the exclude is gone", func() error {
		_, err := m.try("indexctl", "find", "--sync", "--quiet", "shared-name")
		return err
	})
	m.serves()
	if now := m.pid(); now != pid {
		m.t.Errorf("the process was %s and is %s", pid, now)
	}
}

// kill checks that the service is started again after being killed, and continues with
// its index.
func (m *machine) kill() {
	m.t.Helper()
	pid := m.pid()
	m.sh("kill -KILL " + pid)
	m.another(pid)
	m.run("touch", "/home/alice/after-the-kill")
	m.everything()
	if got := m.show(service, "NRestarts"); got != "1" {
		m.t.Errorf("%s restarts", got)
	}
	// Nothing was listed again.
	if log := m.run("journalctl", "--quiet", "--output=cat", "_PID="+m.pid()); strings.Contains(log, "first index") {
		m.t.Errorf("it began anew:\n%s", log)
	}
}

// another returns when the service is active as another process.
func (m *machine) another(than string) {
	m.t.Helper()
	eventually(m.t, "a new process is active", func() error {
		if pid, state := m.show(service, "MainPID"), m.show(service, "ActiveState"); pid == than || pid == "0" || state != "active" {
			return fmt.Errorf("%s, process %s", state, pid)
		}
		return nil
	})
}

// hang checks that the watchdog detects a process that hangs.
func (m *machine) hang() {
	m.t.Helper()
	drop := "/etc/systemd/system/indexd.service.d/test.conf"
	m.write(drop, "[Service]\nWatchdogSec=5s\n")
	m.sh("systemctl daemon-reload && systemctl restart " + service)
	pid := m.pid()
	m.sh("kill -STOP " + pid)
	m.another(pid)
	m.logged("Watchdog timeout", 1)
	m.run("indexctl", "find", "--sync", "--quiet", "of-alice")
	m.sh("rm -r " + filepath.Dir(drop) + " && systemctl daemon-reload && systemctl restart " + service)
	m.serves()
}

// unrefused makes requests all the time while do ends the process, and checks that every
// one is answered.
func (m *machine) unrefused(do func()) {
	m.t.Helper()
	pid := m.pid()
	ctx, cancel := context.WithCancel(m.t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if out, err := m.try("indexctl", "find", "of-alice"); err != nil || strings.Count(out, "\n") != 2 {
					m.t.Errorf("while it restarts: %q, %v", out, err)
					return
				}
			}
		})
	}
	do()
	m.another(pid)
	cancel()
	wg.Wait()
}

// upgrade checks that the new version runs, that the index is kept, and that no request
// was refused.
func (m *machine) upgrade(deb string) {
	m.t.Helper()
	m.sh(`echo '# my own' >>` + config)
	m.unrefused(func() { m.unpack(deb) })
	if got := m.run("indexctl", "status", "--json"); !strings.Contains(got, `"version":"0~2"`) {
		m.t.Errorf("what runs is not the new version: %s", got)
	}
	m.run("grep", "--quiet", "my own", config)
}

// activation checks that a request starts a stopped service and is answered.
func (m *machine) activation() {
	m.t.Helper()
	m.run("systemctl", "stop", service)
	if got := m.show(service, "ActiveState"); got != "inactive" {
		m.t.Errorf("after stop it is %s", got)
	}
	m.run("indexctl", "find", "--quiet", "of-alice")
	m.serves()
}

// timer checks that the rescan started by the timer is done.
func (m *machine) timer() {
	m.t.Helper()
	m.run("systemctl", "enable", "--now", "indexd-rescan.timer")
	m.run("systemctl", "start", "indexd-rescan.service")
	if got := m.show("indexd-rescan.service", "Result"); got != "success" {
		m.t.Errorf("the rescan: %s", got)
	}
	if got := m.run("journalctl", "--quiet", "--output=cat", "--unit=indexd-rescan.service"); !strings.Contains(got, "directories") {
		m.t.Errorf("the rescan said %q", got)
	}
}

// userUnit checks that a user's own indexd runs beside that of the system.
func (m *machine) userUnit() {
	m.t.Helper()
	uid := m.run("id", "-u", "alice")
	// A replacement for user@.service without PAM, which a minimal Debian lacks.
	runtime := "user-runtime-dir@" + uid + ".service"
	m.run("systemd-run", "--unit=alice", "--uid=alice", "--setenv=XDG_RUNTIME_DIR=/run/user/"+uid,
		"--property=Requires="+runtime, "--property=After="+runtime,
		"--property=Type=notify", "--property=Delegate=yes", "/lib/systemd/systemd", "--user")
	alice := func(args ...string) string {
		m.t.Helper()
		out, status := m.as("alice", append([]string{"env", "XDG_RUNTIME_DIR=/run/user/" + uid}, args...)...)
		if status != 0 {
			m.t.Fatalf("%q: exit status %d", args, status)
		}
		return out
	}
	alice("systemctl", "--user", "enable", "--now", socket)
	alice("indexctl", "find", "--quiet", "--sync", "of-alice") // starts it
	if got := alice("indexctl", "find", "of-alice"); got != "/home/alice/private-alice/of-alice" {
		m.t.Errorf("alice's own has %q", got)
	}
	// A check of that many files takes a moment.
	m.sh("seq -f /home/alice/many/%g 3000 | xargs mkdir -p; chown -R alice: /home/alice/many")
	alice("indexctl", "find", "--quiet", "--sync", "many")
	pid := alice("systemctl", "--user", "show", "--value", "--property=MainPID", service)
	m.idly(pid, "/home/alice", "runuser", "-u", "alice", "--", "env", "XDG_RUNTIME_DIR=/run/user/"+uid)
	alice("systemctl", "--user", "reload", service)
	alice("systemctl", "--user", "is-active", service, socket)
	alice("systemctl", "--user", "disable", "--now", service, socket)
	if got := m.sh(`cd /home/alice && find . -path '*indexd*' -not -type d`); got != "./.local/state/indexd/index.db" {
		m.t.Errorf("it leaves %q", got)
	}
	m.run("systemctl", "stop", "alice.service")
	m.sh("rm -r /home/alice/.local /home/alice/.config /home/alice/many")
}

// stop checks that with socket and service stopped, requests fail and there is no socket.
func (m *machine) stop() {
	m.t.Helper()
	m.run("systemctl", "stop", socket, service)
	_, err := m.try("indexctl", "find", "of-alice")
	if got := exitStatus(m.t, err); got != 3 {
		m.t.Errorf("exit status %d where there is no daemon", got)
	}
	m.sh("! test -e /run/indexd/indexd.sock")
	m.run("systemctl", "start", service) // and its socket with it
	m.run("indexctl", "find", "--quiet", "of-alice")
}

// purge checks that removing the package leaves its configuration and database, and
// purging it leaves nothing.
func (m *machine) purge(before []string) {
	m.t.Helper()
	m.run("dpkg", "--remove", "indexd")
	if out, _ := m.try("systemctl", "is-active", service, socket); out != "inactive\ninactive" {
		m.t.Errorf("after the removal: %q", out)
	}
	m.sh("test -e " + config + " -a -e /var/lib/indexd/index.db")
	m.run("dpkg", "--purge", "indexd")
	after := m.traces()
	if !slices.Equal(before, after) {
		m.t.Errorf("before the installation there was\n%s\nand after the purge\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}

// traces returns all files with indexd's name in the machine, except backups made by
// account tools.
func (m *machine) traces() []string {
	m.t.Helper()
	out := m.sh(`find / -xdev -path /proc -prune -o -name '*indexd*' -print -o -name '_indexctl' -print
		find /run /dev/shm -name '*indexd*' | grep -v '^/run/host' || true
		grep -rl --exclude='*-' indexd /etc /var/lib/dpkg/status /var/lib/systemd 2>/dev/null || true
		systemctl list-units --all --plain --no-legend 'indexd*' || true
		systemctl list-unit-files --no-legend 'indexd*' || true
		getent passwd indexd || true
		getent group indexd || true
		grep -lsx indexd /proc/[0-9]*/comm || true`)
	list := strings.Split(out, "\n")
	slices.Sort(list)
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}
