package rule

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// Compiled is a rule that is ready to be asked. It may be used by several
// goroutines at once.
type Compiled struct {
	rule                          Rule
	program                       *program
	summary, description, runbook *text
	windows                       []time.Duration
}

// Compile checks a rule and makes it ready. Its errors are *Error.
func Compile(r Rule) (*Compiled, error) {
	if r.Severity == "" {
		r.Severity = alert.Warning
	}
	if err := check(r); err != nil {
		return nil, err
	}
	p, err := compileExpr(r.Expr, r.Over)
	if err != nil {
		return nil, err
	}
	r.Over = p.over
	if err := check(r); err != nil { // what it looks at is known now
		return nil, err
	}
	c := &Compiled{rule: r, program: p, windows: p.windows}
	for _, t := range []struct {
		field, source string
		most          int
		to            **text
	}{
		{"summary", firstOf(r.Summary, defaultSummary(r.Over)), maxSummary, &c.summary},
		{"description", r.Description, maxDescription, &c.description},
		{"runbook_url", r.RunbookURL, maxURL, &c.runbook},
	} {
		made, err := compileText(t.field, t.source, r.Over, t.most)
		if err != nil {
			return nil, err
		}
		*t.to = made
		for _, name := range made.uptimes {
			c.windows = append(c.windows, uptimeNames[name])
		}
	}
	if r.RunbookURL != "" {
		if filled, err := c.runbook.fill(samples(r.Over)[0]); err != nil || !isURL(filled) {
			return nil, &Error{Field: "runbook_url", Line: 1, Column: 1, Sentence: "this is no URL: for example https://wiki.example.com/eu-west is expected"}
		}
	}
	slices.Sort(c.windows)
	c.windows = slices.Compact(c.windows)
	return c, nil
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if strings.TrimSpace(text) != "" {
			return text
		}
	}
	return ""
}

// Rule returns the rule with what was left empty filled in: Over and Severity.
func (c *Compiled) Rule() Rule { return c.rule }

// Over returns what the rule looks at; it is never empty.
func (c *Compiled) Over() Over { return c.rule.Over }

// AppliesTo reports whether the rule is meant for a region of an API; region is
// empty for a rule over all. A rule over all that has Regions looks only at these.
func (c *Compiled) AppliesTo(api, region string) bool {
	r := c.rule
	return (len(r.APIs) == 0 || slices.Contains(r.APIs, api)) &&
		(region == "" || len(r.Regions) == 0 || slices.Contains(r.Regions, region))
}

// Windows returns the windows of uptime that the rule and its texts ask for,
// shortest first.
func (c *Compiled) Windows() []time.Duration { return slices.Clone(c.windows) }

// Holds reports whether the condition is true. A rule that needs an uptime which
// is not known does not hold. An *Error says why the condition cannot be
// evaluated. It changes nothing in the facts, beside decoding their Values.
func (c *Compiled) Holds(f Facts) (bool, error) { return c.program.holds(f, c.rule.Regions) }

// Describe returns the summary, one line of up to 1000 characters, and the
// description of up to 4000. It never fails: where a text cannot be filled in,
// the summary says what is known, and the description stays empty.
func (c *Compiled) Describe(f Facts) (summary, description string) {
	s := scene{c.rule, c.rule.Over, newRun(f, c.rule.Regions)}
	filled, err := c.summary.fill(s)
	if summary = oneLine(filled); err != nil || summary == "" {
		summary = c.rule.Name
		if f.Region != nil {
			summary = f.Region.Region + " of " + f.API + ": " + summary
		}
		summary = oneLine(summary)
	}
	if filled, err = c.description.fill(s); err == nil {
		description = paragraphs(filled)
	}
	return summary, description
}

// Runbook returns the URL of the runbook, filled in; nothing where there is none.
func (c *Compiled) Runbook(f Facts) string {
	filled, err := c.runbook.fill(scene{c.rule, c.rule.Over, newRun(f, c.rule.Regions)})
	if filled = strings.TrimSpace(filled); err != nil || !isURL(filled) {
		return ""
	}
	return filled
}

func isURL(text string) bool {
	u, err := url.Parse(strings.TrimSpace(text))
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && len(text) <= maxURL
}
