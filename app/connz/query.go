package connz

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
)

// parameters reads the query of a request. The first thing that is wrong stays
// in err: a sentence that says which parameter, what it is, and what is allowed.
type parameters struct {
	values url.Values
	err    error
}

// maxShown is how much of a wrong value a sentence repeats.
const maxShown = 40

// newParameters takes a query with these names, each at most once.
func newParameters(raw string, names ...string) *parameters {
	p := &parameters{}
	p.values, p.err = url.ParseQuery(raw)
	if p.err != nil {
		p.err = fmt.Errorf("the query cannot be read: write it as name=value&name=value, with %%XX for other characters")
		return p
	}
	for name, values := range p.values {
		switch {
		case !slices.Contains(names, name):
			p.fail("%q is no parameter here: allowed are %s", shown(name), strings.Join(names, ", "))
		case len(values) > 1:
			p.fail("%s is given %d times: give it once", name, len(values))
		}
	}
	return p
}

func shown(text string) string { return clean(text, maxShown) }

func (p *parameters) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// get returns a value in lower case, or the one that stands for none.
func (p *parameters) get(name, otherwise string) string {
	return cmp.Or(strings.ToLower(strings.TrimSpace(p.values.Get(name))), otherwise)
}

// choice returns a value that must be one of a few.
func (p *parameters) choice(name, otherwise string, allowed ...string) string {
	v := p.get(name, otherwise)
	if !slices.Contains(allowed, v) {
		p.fail("%s=%s is unknown: allowed are %s", name, shown(v), strings.Join(allowed, ", "))
	}
	return v
}

// number returns a whole number from least to most.
func (p *parameters) number(name string, otherwise, least, most int) int {
	text := p.get(name, "")
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		p.fail("%s=%s is not allowed: give a whole number from %d to %d", name, shown(text), least, most)
	}
	return n
}

// duration returns a time above zero, as "90s" or "2m"; a bare number is seconds.
func (p *parameters) duration(name string, otherwise, most time.Duration) time.Duration {
	text := p.get(name, "")
	if text == "" {
		return otherwise
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > most {
		p.fail("%s=%s is not allowed: give a time up to %s, such as 30s or 2m", name, shown(p.get(name, "")), short(most))
	}
	return d
}

// network returns the addresses that are meant: one, or those of a network.
func (p *parameters) network(name string) netip.Prefix {
	text := p.get(name, "")
	if text == "" {
		return netip.Prefix{}
	}
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen())
	}
	n, err := netip.ParsePrefix(text)
	if err != nil {
		p.fail("address=%s is no address: give one such as 192.0.2.7 or 2001:db8::7, or a network such as 192.0.2.0/24", shown(text))
	}
	return n.Masked()
}

// region returns a region of the catalog, alone or behind the name of its API
// and a colon.
func (p *parameters) region(name string, c store.Catalog) string {
	text := p.get(name, "")
	if text == "" {
		return ""
	}
	var regions []string
	for _, api := range c {
		for _, r := range api.Regions {
			if text == r.Name || text == api.Name+":"+r.Name {
				return text
			}
			if !slices.Contains(regions, r.Name) {
				regions = append(regions, r.Name)
			}
		}
	}
	p.fail("%s=%s is no region: allowed are %s", name, shown(text), strings.Join(regions[:min(len(regions), 50)], ", "))
	return ""
}

// code returns the code of an end.
func (p *parameters) code(name string) string {
	code := strings.ToUpper(strings.TrimSpace(p.values.Get(name)))
	if code != "" && !slices.Contains(socketio.Codes(), engineio.Code(code)) {
		allowed := fmt.Sprint(socketio.Codes())
		p.fail("%s=%s is no code: allowed are %s", name, shown(p.values.Get(name)), strings.ReplaceAll(strings.Trim(allowed, "[]"), " ", ", "))
	}
	return code
}
