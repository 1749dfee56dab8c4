package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// setting binds one value to its flag and its environment variables.
type setting struct {
	flag  string
	env   []string // the first is the name in messages
	usage string
	value pflag.Value
	// redact returns what may be shown of a secret; nil for what is none.
	redact func(text string) string
	// overrides says that its first variable is meant to overrule the others.
	overrides bool
	// file is where the value was read from, if it came from a NAME_FILE.
	file string
}

// declaration collects the settings of all groups.
type declaration struct {
	flags    *pflag.FlagSet
	settings []*setting
}

// settings declares every setting; their values are those of c.
func (c *Config) settings() *declaration {
	d := &declaration{flags: pflag.NewFlagSet("devops-insights", pflag.ContinueOnError)}
	d.flags.SortFlags = false
	d.flags.Usage = func() {} // Help has it
	for _, g := range c.groups() {
		g.declare(d)
	}
	return d
}

// add declares a setting: where its value goes, its flag, its environment
// variables (separated by spaces, the first one counts) and its meaning.
func (d *declaration) add(target any, flag, env, usage string) *setting {
	switch v := target.(type) {
	case *string:
		d.flags.StringVar(v, flag, *v, usage)
	case *bool:
		d.flags.BoolVar(v, flag, *v, usage)
	case *int:
		d.flags.Var(number{v}, flag, usage)
	case *float64:
		d.flags.Float64Var(v, flag, *v, usage)
	case *time.Duration:
		d.flags.DurationVar(v, flag, *v, usage)
	case pflag.Value:
		d.flags.Var(v, flag, usage)
	default:
		panic(fmt.Sprintf("config: a setting cannot be a %T", target))
	}
	s := &setting{flag: flag, env: strings.Fields(env), usage: usage, value: d.flags.Lookup(flag).Value}
	d.settings = append(d.settings, s)
	return s
}

// secret declares a setting whose value is shown only as redact has it.
func (d *declaration) secret(target any, flag, env, usage string, redact func(string) string) {
	d.add(target, flag, env, usage).redact = redact
}

// number is a whole number in decimal notation: 010 is ten, as in JavaScript.
type number struct{ n *int }

// Set implements pflag.Value.
func (v number) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil {
		return errors.New("a whole number is expected")
	}
	*v.n = n
	return nil
}

// String implements pflag.Value.
func (v number) String() string {
	if v.n == nil {
		return "0"
	}
	return strconv.Itoa(*v.n)
}

// Type implements pflag.Value.
func (v number) Type() string { return "int" }

// list is a value of several texts; the flag may be repeated, and replaces the
// default.
type list struct {
	texts     *[]string
	separator string
	replaced  bool
}

// Set implements pflag.Value.
func (l *list) Set(text string) error {
	if !l.replaced {
		*l.texts, l.replaced = nil, true
	}
	for one := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), l.separator) {
		if one = strings.TrimSpace(one); one != "" {
			*l.texts = append(*l.texts, one)
		}
	}
	return nil
}

// String implements pflag.Value.
func (l *list) String() string {
	if l.texts == nil {
		return ""
	}
	return strings.Join(*l.texts, l.separator)
}

// Type implements pflag.Value.
func (l *list) Type() string { return "list" }

// size is a number of bytes: 1048576, 512KiB, 16MiB, 2GB.
type size[T int | int64] struct{ bytes *T }

var units = map[string]float64{
	"": 1, "b": 1, "k": 1 << 10, "kib": 1 << 10, "kb": 1e3, "m": 1 << 20, "mib": 1 << 20, "mb": 1e6,
	"g": 1 << 30, "gib": 1 << 30, "gb": 1e9, "t": 1 << 40, "tib": 1 << 40, "tb": 1e12,
}

// Set implements pflag.Value.
func (s size[T]) Set(text string) error {
	text = strings.ToLower(strings.TrimSpace(text))
	number := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz ")
	unit, known := units[strings.TrimSpace(text[len(number):])]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !known || !(n >= 0 && n*unit < 1<<62) {
		return fmt.Errorf("a number of bytes is expected, for example 16777216 or 16MiB")
	}
	*s.bytes = T(n * unit)
	return nil
}

// String implements pflag.Value.
func (s size[T]) String() string {
	if s.bytes == nil {
		return "0"
	}
	return strconv.FormatInt(int64(*s.bytes), 10)
}

// Type implements pflag.Value.
func (s size[T]) Type() string { return "bytes" }
