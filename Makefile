# make             build both programs, in bin/
# make test        the tests, in a few minutes; see CONTRIBUTING.md for the long ones
# make short       the tests that together take less than a minute
# make race        the short tests with the race detector
# make lint        golangci-lint, with the settings in .golangci.yml
# make fuzz        every fuzz target for a while
# make cover       test coverage in cover.html
# make fmt         gofmt
# make install     install below $(DESTDIR)$(PREFIX), with units, manual pages and completions
# make uninstall   remove what install put there, except the configuration
# make deb         build a Debian package, in dist/
#
# The result depends only on the source, the Go toolchain and VERSION, and for a package
# also on DEBFULLNAME and DEBEMAIL.

PREFIX     ?= /usr/local
DESTDIR    ?=
sysconfdir ?= /etc
zshdir     ?= $(PREFIX)/share/zsh/site-functions

GO      ?= go
GOARCH  := $(shell $(GO) env GOARCH)
# A tag such as v1.2.3 gives that version; without one, the version consists of date and
# commit.
VERSION ?= $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//;s/-/+/;s/-/./' | grep . || \
	TZ=UTC git log -1 --date=format-local:%Y%m%d --format='0~%cd.%h' --abbrev=8 2>/dev/null || echo 0~unknown)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH

# Static: one build runs on any distribution. The tag leaves out what writes manual pages,
# which would slow down every start.
LDFLAGS       := -s -w -X indexd/internal/version.Version=$(VERSION)
GOFLAGS_BUILD := -trimpath -buildvcs=false -tags urfave_cli_no_docs -ldflags '$(LDFLAGS)'

bin  := $(DESTDIR)$(PREFIX)/bin
lib  := $(DESTDIR)$(PREFIX)/lib
man  := $(DESTDIR)$(PREFIX)/share/man
doc  := $(DESTDIR)$(PREFIX)/share/doc/indexd
bash := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zsh  := $(DESTDIR)$(zshdir)
fish := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

.PHONY: all test short race lint fuzz cover fmt install uninstall deb clean

all:
	CGO_ENABLED=0 $(GO) build $(GOFLAGS_BUILD) -o bin/ ./cmd/indexd ./cmd/indexctl

test:
	$(GO) test ./...

short:
	$(GO) test -short ./...

race:
	$(GO) test -short -race ./...

lint:
	$(GO) tool -modfile=tools/go.mod golangci-lint run ./...

fuzz:
	.ci/fuzz

cover:
	$(GO) test -short -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -html=cover.out -o cover.html
	$(GO) tool cover -func=cover.out | tail -n 1

fmt:
	gofmt -w .

# The manual pages and completions are generated from the definitions of the command lines,
# by builds that run on this machine and include the code for it.
install: all
	install -d $(bin) $(man)/man1 $(man)/man8 $(bash) $(zsh) $(fish) $(doc) $(DESTDIR)$(sysconfdir)/indexd \
		$(lib)/systemd/system $(lib)/systemd/user $(lib)/sysusers.d $(lib)/tmpfiles.d $(lib)/sysctl.d
	install -m 755 bin/indexd bin/indexctl $(bin)
	CGO_ENABLED=0 GOOS= GOARCH= $(GO) build -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/docs/ ./cmd/indexd ./cmd/indexctl
	bin/docs/indexd --manual >$(man)/man8/indexd.8
	bin/docs/indexctl help --manual >$(man)/man1/indexctl.1
	bin/docs/indexctl completion bash >$(bash)/indexctl
	bin/docs/indexctl completion zsh >$(zsh)/_indexctl
	bin/docs/indexctl completion fish >$(fish)/indexctl.fish
	chmod 644 $(man)/man8/indexd.8 $(man)/man1/indexctl.1 $(bash)/indexctl $(zsh)/_indexctl $(fish)/indexctl.fish
	for unit in $(notdir $(wildcard systemd/*.service systemd/*.socket systemd/*.timer)); do \
		sed 's|/usr/bin/|$(PREFIX)/bin/|' systemd/$$unit | install -m 644 /dev/stdin $(lib)/systemd/system/$$unit; done
	for unit in $(notdir $(wildcard systemd/user/*)); do \
		sed 's|/usr/bin/|$(PREFIX)/bin/|' systemd/user/$$unit | install -m 644 /dev/stdin $(lib)/systemd/user/$$unit; done
	install -m 644 systemd/sysusers.d/indexd.conf $(lib)/sysusers.d
	install -m 644 systemd/tmpfiles.d/indexd.conf $(lib)/tmpfiles.d
	install -m 644 systemd/sysctl.d/30-indexd.conf $(lib)/sysctl.d
	[ -e $(DESTDIR)$(sysconfdir)/indexd/indexd.toml ] || \
		install -m 644 systemd/indexd.toml $(DESTDIR)$(sysconfdir)/indexd
	install -m 644 README.md CHANGELOG.md docs/query.md docs/locate.md docs/protocol.md docs/security.md docs/systemd.md $(doc)

uninstall:
	rm -f $(bin)/indexd $(bin)/indexctl $(man)/man8/indexd.8 $(man)/man1/indexctl.1 \
		$(bash)/indexctl $(zsh)/_indexctl $(fish)/indexctl.fish \
		$(lib)/systemd/system/indexd* $(lib)/systemd/user/indexd* \
		$(lib)/sysusers.d/indexd.conf $(lib)/tmpfiles.d/indexd.conf $(lib)/sysctl.d/30-indexd.conf
	rm -rf $(doc)

deb:
	rm -rf dist/root
	$(MAKE) install DESTDIR=dist/root PREFIX=/usr sysconfdir=/etc zshdir=/usr/share/zsh/vendor-completions VERSION='$(VERSION)'
	install -D -m 644 packaging/lintian dist/root/usr/share/lintian/overrides/indexd
	packaging/deb dist/root '$(VERSION)' $(GOARCH) dist

clean:
	rm -rf bin dist cover.out cover.html
