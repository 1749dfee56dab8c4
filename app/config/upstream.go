package config

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/http/httpguts"
)

// Upstream are the settings of the API that is polled.
type Upstream struct {
	APIName         string
	UpstreamURL     string
	UpstreamHeaders []string

	// ofVariables are the last of these headers, as they are printed: each has
	// a variable of its own.
	ofVariables []string
}

func (s *Upstream) declare(d *declaration) {
	d.add(&s.APIName, "api", "EXTERNAL_API_NAME", "name of the upstream API; empty: upstream where UPSTREAM_URL is set, else demo, from the simulator")
	d.secret(&s.UpstreamURL, "upstream", "UPSTREAM_URL", "URL template of the upstream with {source} and {api}; empty: https://data--{source}.{api}.io/status?stats=1", redactURL)
	d.secret(&list{texts: &s.UpstreamHeaders, separator: "\n"}, "upstream-header", "UPSTREAM_HEADERS", "headers for the upstream, \"Name: value\", one a line; the flag is repeatable; UPSTREAM_HEADER_<NAME> sets one", redactHeaders)
}

func (s *Upstream) check(r *report) {
	s.APIName = strings.ToLower(strings.TrimSpace(s.APIName))
	if !isName(s.APIName) {
		r.bad("EXTERNAL_API_NAME=%q is not a name: letters, digits, dots, hyphens and underscores are allowed", s.APIName)
	}
	s.UpstreamURL = strings.TrimSpace(s.UpstreamURL)
	if sentence := wrongURL(s.UpstreamURL); s.UpstreamURL != "" && sentence != "" {
		r.bad("UPSTREAM_URL has %s", sentence)
	}
	_, err := s.Headers()
	r.err(err)
}

// isName reports whether the text may be the name of an API or a region.
func isName(text string) bool {
	return strings.IndexFunc(text, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("._-", c)
	}) < 0
}

// wrongURL says what is wrong with a template of the upstream's URL; empty:
// nothing. It never repeats the URL: any part of it may be a secret.
func wrongURL(template string) string {
	const example = "for example https://status.example/{api}/{source}"
	filled := strings.NewReplacer("{api}", "api", "{source}", "source").Replace(template)
	if strings.ContainsAny(filled, "{}") {
		return "a placeholder that is unknown: only {source} and {api} may stand in braces, " + example
	}
	scheme, _, found := strings.Cut(filled, "://")
	if scheme = strings.ToLower(scheme); !found || scheme != "http" && scheme != "https" {
		return "no scheme that can be polled: it must begin with http:// or https://, " + example
	}
	u, err := url.Parse(filled)
	if err != nil || u.Hostname() == "" || !isHost(u.Hostname()) {
		return "a host that is none, or signs that no URL may have, " + example + "; a % or a space in it is written as %25 or %20"
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "a port that is out of range: 1 to 65535 are allowed"
		}
	}
	return ""
}

// headerPrefix begins the variables that each hold the value of one header.
const headerPrefix = "UPSTREAM_HEADER_"

// takeHeaders adds the headers that have a variable of their own. They replace
// lines of UPSTREAM_HEADERS, but not those of flags.
func (s *Upstream) takeHeaders(v *variables, byFlag bool, origins map[string]string, r *report) {
	for _, name := range v.withPrefix(headerPrefix) {
		header := http.CanonicalHeaderKey(strings.ReplaceAll(strings.TrimPrefix(name, headerPrefix), "_", "-"))
		value, file := v.secret(name, r)
		if value = strings.TrimSpace(value); value == "" && name != headerPrefix {
			continue
		}
		if !httpguts.ValidHeaderFieldName(header) || !httpguts.ValidHeaderFieldValue(value) {
			r.bad("%s cannot be a header: its name ends with letters, digits and underscores, and its value is one line", name)
			continue
		}
		same := func(line string) bool {
			other, _, _ := strings.Cut(line, ":")
			return strings.EqualFold(strings.TrimSpace(other), header)
		}
		if byFlag && slices.ContainsFunc(s.UpstreamHeaders, same) {
			continue
		}
		s.UpstreamHeaders = append(slices.DeleteFunc(s.UpstreamHeaders, same), header+": "+value)
		printed := name + "=" + redacted
		origins[name] = v.origin(name)
		if file != "" {
			printed = name + "_FILE=" + quote(file)
			origins[name+"_FILE"] = v.origin(name + "_FILE")
		}
		s.ofVariables = append(s.ofVariables, printed)
	}
}

// ofConnection are the headers that the connection sets itself.
var ofConnection = []string{"Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Trailer", "Te"}

// Headers returns the headers that go with every request to the upstream. An
// error names the line by its number: any part of it may be a secret.
func (s *Upstream) Headers() (http.Header, error) {
	h := make(http.Header)
	for i, line := range s.UpstreamHeaders {
		name, value, found := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !found:
			return nil, fmt.Errorf("line %d of UPSTREAM_HEADERS has no colon: \"Name: value\" is expected", i+1)
		case !httpguts.ValidHeaderFieldName(name):
			return nil, fmt.Errorf("line %d of UPSTREAM_HEADERS has no valid name before its colon: letters, digits and hyphens are allowed", i+1)
		case !httpguts.ValidHeaderFieldValue(value):
			return nil, fmt.Errorf("line %d of UPSTREAM_HEADERS has signs in its value that no header may have", i+1)
		case slices.Contains(ofConnection, http.CanonicalHeaderKey(name)):
			return nil, fmt.Errorf("line %d of UPSTREAM_HEADERS sets %s, which the connection sets itself", i+1, http.CanonicalHeaderKey(name))
		}
		h.Add(name, value)
	}
	return h, nil
}

// Simulated reports whether no upstream is configured.
func (s *Upstream) Simulated() bool { return s.APIName == "" && s.UpstreamURL == "" }

// API returns the api name on the wire: where none is configured "upstream" for
// the one that UPSTREAM_URL names, and "demo" for the simulator.
func (s *Upstream) API() string {
	switch {
	case s.APIName != "":
		return s.APIName
	case s.UpstreamURL != "":
		return "upstream"
	}
	return "demo"
}
