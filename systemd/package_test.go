package systemd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"indexd/internal/testutil/scale"
)

// debs are packages of two versions of this source.
type debs struct{ old, new string }

// build builds packages from a copy of the source, in a separate directory.
func build(t *testing.T) debs {
	t.Helper()
	src := sources(t)
	return debs{makeDeb(t, src, "0~1"), makeDeb(t, src, "0~2")}
}

// sources copies the files that git tracks.
func sources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("sh", "-ec", `cd .. && git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$0"`, dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("copying the source: %v\n%s", err, last(out))
	}
	return dir
}

func makeDeb(t *testing.T, src, version string) string {
	t.Helper()
	cmd := exec.Command("make", "deb", "VERSION="+version)
	cmd.Dir = src
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "DEBFULLNAME=", "DEBEMAIL=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make deb: %v\n%s", err, last(out))
	}
	found, err := filepath.Glob(filepath.Join(src, "dist", "indexd_"+version+"_*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("make deb: %v, %v", found, err)
	}
	return found[0]
}

// lint checks with lintian that there are no warnings about a package.
func lint(t *testing.T, deb string) {
	t.Helper()
	if _, err := exec.LookPath("lintian"); err != nil {
		t.Skip("lintian is not installed")
	}
	// It exits with 0 on warnings, and prints some messages on stderr.
	cmd := exec.Command("lintian", "--allow-root", "--fail-on=error,warning", deb)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// reproduce builds the package again from another copy in another place: it must be
// identical.
func reproduce(t *testing.T, deb, version string) {
	t.Helper()
	again := makeDeb(t, sources(t), version)
	a, err := os.ReadFile(deb)
	must(t, err)
	b, err := os.ReadFile(again)
	must(t, err)
	if !bytes.Equal(a, b) {
		t.Error("two packages of one source differ")
	}
	t.Logf("%s: %d bytes", filepath.Base(deb), len(a))
}

// TestMaintainer checks that a package names its maintainer in both places, as configured
// for dch(1), or by default an address that leads nowhere.
func TestMaintainer(t *testing.T) {
	scale.SkipIfShort(t)
	for _, name := range []string{"dpkg-deb", "gzip", "md5sum"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	for _, c := range []struct{ name, mail, want string }{
		{"", "", "Local build of indexd <local-build@indexd.invalid>"},
		{"", "ann@example.org", "Local build of indexd <ann@example.org>"},
		{"Ann Other", "ann@example.org", "Ann Other <ann@example.org>"},
		{"", "Ann Other <ann@example.org>", "Ann Other <ann@example.org>"},
		{`A&B/C\D`, "Ann Other <ann@example.org>", `A&B/C\D <ann@example.org>`},
	} {
		dir := t.TempDir()
		root := filepath.Join(dir, "root")
		for _, file := range []string{"etc/indexd/indexd.toml", "usr/share/doc/indexd/README.md", "usr/share/man/man1/indexctl.1"} {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755))
			must(t, os.WriteFile(filepath.Join(root, file), nil, 0o644))
		}
		cmd := exec.Command("../packaging/deb", root, "0~1", "all", dir)
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "DEBFULLNAME="+c.name, "DEBEMAIL="+c.mail)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		deb := filepath.Join(dir, "indexd_0~1_all.deb")
		if got, err := exec.Command("dpkg-deb", "--field", deb, "Maintainer").Output(); string(got) != c.want+"\n" || err != nil {
			t.Errorf("%+v: control has %q, %v", c, got, err)
		}
		got, err := exec.Command("gzip", "-dc", filepath.Join(root, "usr/share/doc/indexd/changelog.gz")).Output()
		if want := "\n -- " + c.want + "  Tue, 14 Nov 2023 22:13:20 +0000\n"; !bytes.HasSuffix(got, []byte(want)) || err != nil {
			t.Errorf("%+v: the changelog has %q, %v", c, got, err)
		}
	}
}
