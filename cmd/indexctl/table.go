package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"indexd/internal/terminal"
)

// table prints rows of cells in columns.
type table struct {
	right []int // right-aligned columns
	rows  [][]string
}

// row adds a row. Cells are formatted as fmt.Sprint does and escaped.
func (t *table) row(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = terminal.Escape(fmt.Sprint(c))
	}
	t.rows = append(t.rows, row)
}

func (t *table) print(w io.Writer) {
	var widths []int
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], terminal.Width(c))
		}
	}
	for _, row := range t.rows {
		var line strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", widths[i]-terminal.Width(c))
			if slices.Contains(t.right, i) {
				line.WriteString(pad + c)
			} else {
				line.WriteString(c + pad)
			}
			line.WriteString("  ")
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// stamp formats a time in the local time zone.
func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func stampOr(t *time.Time, never string) string {
	if t == nil {
		return never
	}
	return stamp(*t)
}

// appendSize appends a number of bytes as ls -h writes it: in powers of 1024, with at most
// three digits, rounded up.
func appendSize(b []byte, n int64) []byte {
	if n < 1024 {
		return strconv.AppendInt(b, n, 10)
	}
	const units = "KMGTPE"
	v, u := float64(n)/1024, 0
	for u < len(units)-1 && ceil(v) >= 1024 {
		v, u = v/1024, u+1
	}
	if tenths := ceil(v * 10); tenths < 100 {
		b = strconv.AppendInt(b, tenths/10, 10)
		b = append(b, '.', byte('0'+tenths%10))
	} else {
		b = strconv.AppendInt(b, ceil(v), 10)
	}
	return append(b, units[u])
}

func ceil(v float64) int64 {
	n := int64(v)
	if float64(n) < v {
		n++
	}
	return n
}

func sizeText(n int64) string { return string(appendSize(nil, n)) }
