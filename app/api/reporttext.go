package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/store/jsjson"
	"github.com/devops-insights/devops-insights/store/past"
)

// json returns the report as a JSON object.
func (r *report) json() []byte {
	b := jsjson.AppendString([]byte(`{"api":`), r.api)
	b = jsjson.AppendString(append(b, `,"month":`...), r.from.Format("2006-01"))
	b = jsjson.AppendTime(append(b, `,"from":`...), r.from)
	b = jsjson.AppendTime(append(b, `,"to":`...), r.to)
	b = strconv.AppendBool(append(b, `,"partial":`...), r.partial)
	b = append(b, `,"regions":[`...)
	for i, one := range r.regions {
		if i > 0 {
			b = append(b, ',')
		}
		b = past.AppendUptime(jsjson.AppendString(append(b, `{"source":`...), one.source), one.uptime)
		b = strconv.AppendInt(append(b, `,"changes":`...), one.changes, 10)
		b = append(b, `,"fields":[`...)
		for i, v := range one.values {
			if i > 0 {
				b = append(b, ',')
			}
			b = jsjson.AppendString(append(b, `{"field":`...), v.field)
			b = appendNumber(append(b, `,"p50":`...), v.p50)
			b = append(appendNumber(append(b, `,"p95":`...), v.p95), '}')
		}
		b = append(b, "]}"...)
	}
	return append(b, "]}"...)
}

func appendNumber(b []byte, v *float64) []byte {
	if v == nil {
		return append(b, "null"...)
	}
	return jsjson.AppendNumber(b, *v)
}

// csv returns the report as a table with one record for each region.
func (r *report) csv() []byte {
	b := []byte("month,source,uptime,available,watched,upSeconds,degradedSeconds,downSeconds,unknownSeconds,incidentCount,longestSeconds,mttrSeconds,mtbfSeconds,changes")
	for _, field := range r.fields {
		b = appendText(append(b, ','), field+" p50")
		b = appendText(append(b, ','), field+" p95")
	}
	b = append(b, "\r\n"...)
	for _, one := range r.regions {
		u := one.uptime
		b = append(append(b, r.from.Format("2006-01")...), ',')
		b = appendText(b, one.source)
		for _, share := range one.shares() {
			b = append(b, ',')
			if share.known {
				b = jsjson.AppendNumber(b, past.Percent(share.value))
			}
		}
		for _, d := range []time.Duration{u.Up, u.Degraded, u.Down, u.Unknown} {
			b = jsjson.AppendNumber(append(b, ','), past.Seconds(d))
		}
		b = strconv.AppendInt(append(b, ','), int64(u.Count), 10)
		b = jsjson.AppendNumber(append(b, ','), past.Seconds(u.Longest))
		if b = append(b, ','); u.Ended > 0 {
			b = jsjson.AppendNumber(b, past.Seconds(u.MTTR))
		}
		if b = append(b, ','); u.Count > 0 {
			b = jsjson.AppendNumber(b, past.Seconds(u.MTBF))
		}
		b = strconv.AppendInt(append(b, ','), one.changes, 10)
		for _, field := range r.fields {
			v := one.field(field)
			for _, number := range []*float64{v.p50, v.p95} {
				if b = append(b, ','); number != nil {
					b = jsjson.AppendNumber(b, *number)
				}
			}
		}
		b = append(b, "\r\n"...)
	}
	return b
}

type share struct {
	value float64
	known bool
}

// shares returns how much of the watched time the region was up, and up or
// degraded, and how much of the time was watched.
func (r regionReport) shares() []share {
	up, known := r.uptime.Ratio()
	available, _ := r.uptime.Available()
	watched, measured := past.Watched(r.uptime)
	return []share{{up, known}, {available, known}, {watched, measured}}
}

func (r regionReport) field(name string) fieldReport {
	for _, v := range r.values {
		if v.field == name {
			return v
		}
	}
	return fieldReport{}
}

// maxIncidents is how many incidents of a region the text of a report lists.
const maxIncidents = 50

// markdown returns the report as text.
func (r *report) markdown() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: %s\n\n", inMarkdown(r.api), r.from.Format("January 2006"))
	if r.partial {
		b.WriteString("The month is not over: the figures are those of now.\n\n")
	}
	b.WriteString("Uptime is the share of the watched time in which a region was up. Times are in UTC.\n\n")
	b.WriteString("| region | uptime | up or degraded | watched | degraded | down | incidents | longest | MTTR | MTBF | changes |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, one := range r.regions {
		u := one.uptime
		fmt.Fprintf(&b, "| %s ", inMarkdown(one.source))
		for _, s := range one.shares() {
			text := "–"
			if s.known {
				text = percentText(s.value)
			}
			fmt.Fprintf(&b, "| %s ", text)
		}
		mttr, mtbf := "–", "–"
		if u.Ended > 0 {
			mttr = lengthText(u.MTTR)
		}
		if u.Count > 0 {
			mtbf = lengthText(u.MTBF)
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s | %s | %d |\n", lengthText(u.Degraded), lengthText(u.Down), u.Count, lengthText(u.Longest), mttr, mtbf, one.changes)
	}
	for _, one := range r.regions {
		one.markdown(&b)
	}
	return []byte(b.String())
}

func (r regionReport) markdown(b *strings.Builder) {
	if len(r.values) == 0 && r.uptime.Count == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n", inMarkdown(r.source))
	if len(r.values) > 0 {
		b.WriteString("\n| field | p50 | p95 |\n|---|---:|---:|\n")
		for _, v := range r.values {
			fmt.Fprintf(b, "| %s | %s | %s |\n", inMarkdown(v.field), numberText(v.p50), numberText(v.p95))
		}
	}
	listed := r.uptime.Incidents[max(0, len(r.uptime.Incidents)-maxIncidents):]
	if len(listed) == 0 {
		return
	}
	if len(listed) < r.uptime.Count {
		fmt.Fprintf(b, "\nThe last %d of %d incidents:\n", len(listed), r.uptime.Count)
	}
	b.WriteString("\n| from | to | down | reason |\n|---|---|---:|---|\n")
	for _, in := range listed {
		to := "goes on"
		if !in.Open {
			to = in.To.Format("2006-01-02 15:04:05")
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", in.From.Format("2006-01-02 15:04:05"), to, lengthText(in.Down), inMarkdown(strings.Join(in.Reasons, ", ")))
	}
}

// lengthText returns a length of time in whole seconds.
func lengthText(d time.Duration) string {
	d = d.Round(time.Second)
	days := d / (24 * time.Hour)
	text := (d % (24 * time.Hour)).String()
	if days > 0 {
		return fmt.Sprintf("%dd%s", days, text)
	}
	return text
}

func numberText(v *float64) string {
	if v == nil {
		return "–"
	}
	return strconv.FormatFloat(*v, 'g', 6, 64)
}

// inMarkdown returns a text that Markdown shows as it is: an upstream's own words
// may be among it.
func inMarkdown(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029:
			r = ' '
		case strings.ContainsRune("\\`*_{}[]<>()#+!|~&:@\"'$^=", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
