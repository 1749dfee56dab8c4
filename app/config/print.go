package config

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Lines returns the effective settings as NAME=value, lines of a settings file
// that can be read back, and behind them as comments what a YAML file says of
// APIs. Of a secret it shows only what opens no door, or the file that it was read
// from.
func (c *Config) Lines() (lines []string) {
	for _, l := range c.lines() {
		lines = append(lines, l.text)
	}
	return lines
}

// LinesWithOrigin returns Lines with a comment in each that says where its value
// comes from: a flag, a variable, a line of a file, or the default.
func (c *Config) LinesWithOrigin() (lines []string) {
	for _, l := range c.lines() {
		lines = append(lines, fmt.Sprintf("%-40s # %s", l.text, l.origin))
	}
	return lines
}

// line is one value with where it comes from.
type line struct{ text, origin string }

func (c *Config) lines() (lines []line) {
	for _, s := range c.settings().settings {
		name, text, origin := s.env[0], s.value.String(), cmp.Or(c.origins[s.env[0]], "default")
		if name == "UPSTREAM_HEADERS" {
			text = strings.Join(c.UpstreamHeaders[:len(c.UpstreamHeaders)-len(c.ofVariables)], "\n")
		}
		switch file := c.files[name]; {
		case file != "":
			name, text = name+"_FILE", file
		case s.redact != nil && text != "":
			text = s.redact(text)
		}
		lines = append(lines, line{name + "=" + quote(text), origin})
	}
	for _, text := range c.ofVariables {
		name, _, _ := strings.Cut(text, "=")
		lines = append(lines, line{text, c.origins[name]})
	}
	for _, a := range c.apis {
		for _, r := range a.Regions {
			lines = append(lines, c.linesOf(a, r)...)
		}
	}
	return append(lines, c.linesOfAlerts()...)
}

// linesOf shows a region of the YAML file.
func (c *Config) linesOf(a API, r Region) (lines []line) {
	prefix := a.Name + "." + r.Name + "."
	add := func(key, text string) {
		if text != "" {
			lines = append(lines, line{"# " + prefix + key + "=" + text, cmp.Or(c.origins[prefix+key], "default")})
		}
	}
	url := "https://data--{source}.{api}.io/status?stats=1"
	switch {
	case a.Simulated:
		url = "simulated"
	case r.URL != "":
		url = redactURL(r.URL)
	}
	add("url", url)
	add("interval", r.Interval.String())
	add("timeout", r.Timeout.String())
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		add("header."+name, redacted)
	}
	if t := r.TLS; t != (UpstreamTLS{}) {
		add("tls", strings.Join(slices.DeleteFunc([]string{t.CA, t.Cert, t.Key, t.ServerName}, func(s string) bool { return s == "" }), " "))
	}
	var statuses []string
	for _, s := range r.Statuses {
		statuses = append(statuses, strings.TrimSuffix(fmt.Sprintf("%d-%d", s.From, s.To), fmt.Sprintf("-%d", s.From)))
	}
	add("statuses", strings.Join(statuses, ","))
	add("state", fmt.Sprintf("%s: up %s, degraded %s", r.State.StateField, strings.Join(r.State.StateUp, " "), strings.Join(r.State.StateDegraded, " ")))
	return lines
}

// quote writes a value so that a settings file, and a shell, read it back.
func quote(text string) string {
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("_-+.,:/@%=", r)
	}
	if strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	for _, q := range []string{"'", "`", `"`} {
		if !strings.Contains(text, q) && !strings.HasSuffix(text, `\`) && (q != `"` || !strings.Contains(text, `\`)) {
			return q + text + q
		}
	}
	return text
}

// Help writes the commands and, for each setting, its flag, its variables, its
// default and its meaning.
func Help(w io.Writer) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	p("devops-insights polls a status API in six regions and pushes each change to Socket.IO dashboards.\n\n")
	p("Usage: devops-insights [command] [flags]\n\nCommands:\n")
	for _, c := range commands() {
		c.help(w)
	}
	p("\nSettings come from flags, the environment, a dotenv file and a YAML file, in this order.\n" +
		"Secrets, marked with *, may stand in a file instead: NAME_FILE is its path.\n" +
		"Exit codes: 0 in order, 1 a failure, 78 a setting that cannot be used.\n\nSettings:\n")
	c := Default()
	for _, s := range c.settings().settings {
		mark := ""
		if s.redact != nil {
			mark = "*"
		}
		p("  --%s, %s%s", s.flag, strings.Join(s.env, " or "), mark)
		if text := s.value.String(); text != "" {
			p(" (default %s)", text)
		}
		p("\n      %s\n", s.usage)
	}
	p("  UPSTREAM_HEADER_<NAME>*\n      value of one header for the upstream: UPSTREAM_HEADER_X_API_KEY sets X-Api-Key\n")
	p("  --config, CONFIG_FILE (default .env and %s, if they are there)\n      the settings file: YAML if its name ends with .yaml or .yml, else written as for the npm package dotenv\n", yamlName)
}
