package config

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"

	"github.com/devops-insights/devops-insights/app/config/yamltree"
)

// Load reads the settings once; see Loader.
func Load(args, environ []string) (c Config, warnings []string, err error) {
	return NewLoader(args, environ).Load()
}

// LoadCommand reads the settings as Load does, for a command that has flags of
// its own, which it fills, and arguments, which it returns in rest.
func LoadCommand(flags *pflag.FlagSet, args, environ []string) (c Config, rest, warnings []string, err error) {
	return load(newFiles(), flags, "", args, environ)
}

// load reads the settings out of files; file, unless empty, takes the place of
// CONFIG_FILE.
func load(f *files, flags *pflag.FlagSet, file string, args, environ []string) (c Config, rest, warnings []string, err error) {
	c = Default()
	d := c.settings()
	d.flags.AddFlagSet(flags)
	d.flags.StringVar(&file, "config", file, "settings file, in place of CONFIG_FILE")
	r := new(report)
	if err := d.flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return c, nil, nil, err
		}
		r.bad("%s; devops-insights --help lists the flags", flagProblem(err))
		return c, nil, nil, &Error{Problems: r.sentences()}
	}
	headersByFlag := d.flags.Changed("upstream-header")
	v := readVariables(f, environ, file, r)
	y := readYAML(v, d.settings, r)
	c.origins = make(map[string]string)
	for _, s := range d.settings {
		c.origins[s.env[0]] = d.take(s, v, r)
	}
	c.takeHeaders(v, headersByFlag, c.origins, r)
	if y != nil {
		y.buildRegions(&c)
	}
	for _, g := range c.groups() {
		g.check(r)
	}
	d.suggest(v, r)
	if y != nil {
		b := catalog{yamlFile: y, c: &c, intervalIsSet: d.flags.Changed("poll-interval"), checked: make(map[yamltree.Place]UpstreamTLS)}
		b.build()
		y.buildAlerts(&c)
		y.locate(r)
	}
	if c.Simulated() && !d.flags.Changed("poll-interval") {
		c.PollInterval, c.origins["POLL_INTERVAL"] = simulatedInterval, "default of the simulator"
	}
	c.LogLevel = c.level(c.Environment)
	c.files = d.files()
	for i := range r.problems {
		r.problems[i].text = v.hide(r.problems[i].text)
	}
	for i := range r.warnings {
		r.warnings[i] = v.hide(r.warnings[i])
	}
	if len(r.problems) > 0 {
		return c, d.flags.Args(), r.warnings, &Error{Problems: r.sentences()}
	}
	return c, d.flags.Args(), r.warnings, nil
}

// flagProblem is the sentence about an argument, without a value that may be a
// secret.
func flagProblem(err error) string {
	var invalid *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	var syntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		return "--" + f.Name + " cannot be used: " + form(f.Value) + " is expected (" + f.Usage + ")"
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return "-" + unknown.GetSpecifiedName() + " is no flag"
	case errors.As(err, &syntax):
		return "a flag is written --name=value"
	}
	return err.Error()
}

// shown is an argument as a message may have it.
func shown(text string) string {
	if len(text) > 30 || strings.ContainsAny(text, ":/@= ") {
		return "an argument"
	}
	return `"` + text + `"`
}

// take sets a setting from its variable, unless its flag was given, and returns
// where its value comes from.
func (d *declaration) take(s *setting, v *variables, r *report) (origin string) {
	if d.flags.Changed(s.flag) {
		return "flag --" + s.flag
	}
	name, text := "", ""
	for _, env := range s.env {
		value := v.get(env)
		if s.redact != nil {
			value, s.file = v.secret(env, r)
		}
		switch {
		case value == "":
		case name == "":
			name, text = env, value
		case value != text && !s.overrides:
			r.warn("%s=%s and %s=%s differ: %s is used", name, text, env, value, name)
		}
	}
	if name == "" {
		return "default"
	}
	if s.value.Type() != "string" {
		text = strings.TrimSpace(text)
	}
	if err := d.flags.Set(s.flag, text); err != nil {
		value := text
		if s.redact != nil {
			value = "…"
		}
		r.bad("%s=%q cannot be used: %s is expected (%s)", name, value, form(s.value), s.usage)
	}
	if s.file != "" {
		return v.origin(name + "_FILE")
	}
	return v.origin(name)
}

// files returns the settings that came out of files of their own, by name.
func (d *declaration) files() map[string]string {
	files := make(map[string]string)
	for _, s := range d.settings {
		if s.file != "" {
			files[s.env[0]] = s.file
		}
	}
	return files
}

// form says how a value is written.
func form(v pflag.Value) string {
	switch v.Type() {
	case "duration":
		return "a duration such as 30s, 5m or 1h"
	case "int":
		return "a whole number"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	case "bytes":
		return "a number of bytes such as 16777216 or 16MiB"
	}
	return "a text"
}
