package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"indexd/internal/cmdline"
	"indexd/internal/getopt"
	"indexd/internal/terminal"
	"indexd/ipc/wire"
)

func (p *program) statusCommand() *cli.Command {
	var asJSON bool
	return &cli.Command{
		Usage: "show the state of indexd and its roots",
		Flags: cmdline.Flags([]*getopt.Flag{jsonFlag(&asJSON)}),
		Action: func(c *cli.Context) error {
			if _, err := operands(c, 0, 0, ""); err != nil {
				return err
			}
			s, err := p.Client().Status(context.Background())
			if err != nil {
				return err
			}
			if asJSON {
				p.PrintJSON(&s)
			} else {
				p.printStatus(&s)
			}
			return nil
		},
	}
}

func (p *program) printStatus(s *wire.Status) {
	state := "ready"
	if !s.Ready {
		state = "not ready: the first index is not complete"
	}
	if s.Degraded != "" {
		state += "; degraded: " + s.Degraded
	}
	var t table
	t.row("indexd", fmt.Sprintf("%s, pid %d, up %s", s.Version, s.PID, age(s.Uptime)))
	t.row("state", state)
	switch {
	case !s.Restricted:
		t.addTotals(s)
	case s.Pending > 0:
		t.row("pending", "yes")
		t.row("watches", s.Watch.Backend)
	default:
		t.row("pending", "nothing")
		t.row("watches", s.Watch.Backend)
	}
	t.print(p.Out)
	for i := range s.Roots {
		p.printRoot(&s.Roots[i], s.Restricted)
	}
	for i := range s.Jobs {
		j := &s.Jobs[i]
		fmt.Fprintf(p.Out, "\njob %d: %s, %s listed, %d to go: %s\n", j.ID, j.State,
			counted(j.Progress.Dirs, "directory", "directories"), j.Progress.Queued, jobPaths(j))
	}
}

// addTotals adds what only users see who may know the size of the whole index.
func (t *table) addTotals(s *wire.Status) {
	t.row("pending", counted(s.Pending, "directory", "directories"))
	t.row("entries", fmt.Sprintf("%d in %s", s.Entries, counted(s.Dirs, "directory", "directories")))
	t.row("database", fmt.Sprintf("%s, %s, %s of it free", s.DB.Path, sizeText(s.DB.Size), sizeText(s.DB.Free)))
	if s.DB.Max > 0 {
		t.row("", sizeText(s.DB.Max)+" at most")
	}
	if s.DB.Needs > 0 {
		t.row("", fmt.Sprintf("not compacted until its disk has %s of free space", sizeText(s.DB.Needs)))
	}
	if a := s.DB.Aside; a != nil {
		t.row("", fmt.Sprintf("created %s to replace a damaged one, which is kept as %s: %s", a.At.Local().Format(time.DateTime), a.Path, a.Why))
	}
	t.row("memory", fmt.Sprintf("%s resident, %s anonymous", sizeText(s.Memory.RSS), sizeText(s.Memory.Anonymous)))
	t.row("watches", watchText(&s.Watch))
	if s.Watch.Needed > s.Watch.Limit && s.Watch.Sysctl != "" {
		t.row("", fmt.Sprintf("%d would cover every directory: sysctl %s && kill -HUP %d", s.Watch.Needed, s.Watch.Sysctl, s.PID))
	}
}

func (p *program) printRoot(r *wire.Root, restricted bool) {
	fmt.Fprintf(p.Out, "\n%s: %s\n", terminal.Escape(r.Path), r.State)
	var t table
	if !restricted {
		t.row("  entries", fmt.Sprintf("%d in %s, %s", r.Entries, counted(r.Dirs, "directory", "directories"), sizeText(r.Bytes)))
	}
	t.row("  names verified", stampOr(r.NamesVerified, "never"))
	t.row("  metadata verified", stampOr(r.MetadataVerified, "never"))
	if !restricted {
		coverage := fmt.Sprintf("%d live, %d swept", r.LiveDirs, r.SweptDirs)
		if r.Unreadable > 0 {
			coverage += fmt.Sprintf(", %d unreadable", r.Unreadable)
		}
		if r.Offline > 0 {
			coverage += fmt.Sprintf(", %d offline", r.Offline)
		}
		t.row("  directories", coverage)
	}
	t.print(p.Out)
}

func watchText(w *wire.StatusWatch) string {
	text := w.Backend
	if w.Reason != "" {
		text += ": " + w.Reason
	}
	if w.Watches > 0 || w.Limit > 0 {
		text += fmt.Sprintf(", %d of at most %d", w.Watches, w.Limit)
	}
	if w.Overflows > 0 {
		text += ", " + counted(w.Overflows, "overflow", "overflows")
	}
	return text
}

// age formats a number of seconds, rounded to hours if it is a day or more.
func age(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	if days := d / (24 * time.Hour); days > 0 {
		return fmt.Sprintf("%dd%dh", days, d%(24*time.Hour)/time.Hour)
	}
	return d.String()
}
