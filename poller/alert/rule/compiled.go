package rule

import (
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// Compiled is a rule that is ready to be asked. It may be used by several
// goroutines at once.
type Compiled struct {
	rule    Rule
	program *program
	windows []time.Duration
}

// Compile checks a rule and makes it ready. Its errors are *Error.
func Compile(r Rule) (*Compiled, error) {
	if r.Severity == "" {
		r.Severity = alert.Warning
	}
	p, err := compileExpr(r.Expr, r.Over)
	if err != nil {
		return nil, err
	}
	r.Over = p.over
	return &Compiled{rule: r, program: p, windows: p.windows}, nil
}

// Rule returns the rule with what was left empty filled in.
func (c *Compiled) Rule() Rule { return c.rule }

// Over returns what the rule looks at; it is never empty.
func (c *Compiled) Over() Over { return c.rule.Over }

// AppliesTo reports whether the rule is meant for a region of an API; region is
// empty for a rule over all.
func (c *Compiled) AppliesTo(api, region string) bool {
	r := c.rule
	return (len(r.APIs) == 0 || slices.Contains(r.APIs, api)) &&
		(region == "" || len(r.Regions) == 0 || slices.Contains(r.Regions, region))
}

// Windows returns the windows of uptime that the rule asks for, shortest first.
func (c *Compiled) Windows() []time.Duration { return slices.Clone(c.windows) }

// Holds reports whether the condition is true. A rule that needs an uptime which
// is not known does not hold. An *Error says why the condition cannot be
// evaluated. It changes nothing in the facts, beside decoding their Values.
func (c *Compiled) Holds(f Facts) (bool, error) { return c.program.holds(f, c.rule.Regions) }

// Describe returns the summary, one line of up to 1000 characters, and the
// description of up to 4000.
func (c *Compiled) Describe(f Facts) (summary, description string) { return c.rule.Name, "" }

// Runbook returns the URL of the runbook, or nothing.
func (c *Compiled) Runbook(f Facts) string { return c.rule.RunbookURL }
