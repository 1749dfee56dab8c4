package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// markdown returns the report as tables.
func (r report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s: %d cores (%s), Linux %s, %s, Node %s. %s\n",
		r.Machine.Date, r.Machine.Cores, r.Machine.CPU, r.Machine.Kernel, r.Machine.Go, r.Machine.Node, r.Method)
	for _, p := range r.Profiles {
		fmt.Fprintf(&b, "\n### %s\n\n|", p.Description)
		for _, o := range p.Medians {
			fmt.Fprintf(&b, " | %s", o.Server)
		}
		fmt.Fprintf(&b, " |\n|---|%s\n", strings.Repeat("---|", len(p.Medians)))
		for _, f := range figures() {
			fmt.Fprintf(&b, "| %s |", f.name)
			for _, o := range p.Medians {
				fmt.Fprintf(&b, " %s |", number(*f.of(&o)))
			}
			b.WriteByte('\n')
		}
		b.WriteString("| delivered / lost / twice / out of order |")
		for _, o := range p.Medians {
			fmt.Fprintf(&b, " %d / %d / %d / %d |", o.Delivered, o.Lost, o.Twice, o.Unordered)
		}
		b.WriteString("\n| connects that had to be repeated |")
		for _, o := range p.Medians {
			fmt.Fprintf(&b, " %d |", o.Repeated)
		}
		b.WriteString("\n\n")
		p.ratios(&b)
		for _, failure := range p.Failures {
			fmt.Fprintf(&b, "\nNot counted: %s\n", failure)
		}
		if p.Noise != "" {
			fmt.Fprintf(&b, "\n**%s**\n", p.Noise)
		}
	}
	return b.String()
}

// ratios writes one row for each server, one column for each figure.
func (s summary) ratios(b *strings.Builder) {
	b.WriteString("| ours divided by |")
	for _, f := range compared() {
		fmt.Fprintf(b, " %s |", f.name)
	}
	fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", len(compared())))
	for _, o := range s.Medians {
		if o.Server == ours {
			continue
		}
		fmt.Fprintf(b, "| %s |", o.Server)
		for _, f := range compared() {
			cell := "-"
			for _, r := range s.Ratios {
				if r.To == o.Server && r.Of == f.name {
					cell = fmt.Sprintf("%.2f (%.2f to %.2f)", r.Median, r.Lowest, r.Highest)
				}
			}
			fmt.Fprintf(b, " %s |", cell)
		}
		b.WriteByte('\n')
	}
}

func number(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// write puts the report into a directory: results.json, results.md and the
// charts.
func (r report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "results.json"), append(text, '\n'), 0o644),
		os.WriteFile(filepath.Join(dir, "results.md"), []byte(r.markdown()), 0o644),
		r.charts(dir),
	)
}
