package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-analyze/charts"
)

// charts draws one picture for each of the figures that people ask for first:
// a group of bars for each profile, a bar for each server.
func (r report) charts(dir string) error {
	all := figures()
	for file, f := range map[string]figure{"cpu.svg": all[0], "connect.svg": all[1], "memory.svg": all[2], "latency.svg": all[6]} {
		svg, err := r.chart(f)
		if err != nil {
			return fmt.Errorf("the chart %s cannot be drawn: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), svg, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (r report) chart(f figure) ([]byte, error) {
	var names, profiles []string
	for _, p := range r.Profiles {
		profiles = append(profiles, p.Name)
		for _, o := range p.Medians {
			if !slices.Contains(names, o.Server) {
				names = append(names, o.Server)
			}
		}
	}
	values := make([][]float64, len(names))
	for i, name := range names {
		for _, p := range r.Profiles {
			at := slices.IndexFunc(p.Medians, func(o outcome) bool { return o.Server == name })
			if at < 0 {
				values[i] = append(values[i], charts.GetNullValue())
				continue
			}
			values[i] = append(values[i], *f.of(&p.Medians[at]))
		}
	}
	o := charts.NewBarChartOptionWithData(values)
	o.Title.Text = f.name
	o.CategoryAxis.Labels, o.CategoryAxis.LabelCount = profiles, len(profiles)
	o.CategoryAxis.LabelFontStyle.FontSize = 10
	o.Legend.SeriesNames = names
	o.Legend.Offset = charts.OffsetRight
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 1200, Height: 360})
	if err := p.BarChart(o); err != nil {
		return nil, err
	}
	return p.Bytes()
}
