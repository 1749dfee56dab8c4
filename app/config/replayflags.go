package config

import "github.com/spf13/pflag"

// ReplayFlags are those of the command rules replay.
type ReplayFlags struct {
	From, To, Rule, File string
	JSON                 bool
}

// Flags declares the flags.
func (f *ReplayFlags) Flags() *pflag.FlagSet {
	s := newFlags("rules")
	s.StringVar(&f.From, "from", "24h ago", "replay: time from which on the past is looked at: a time, a date, a month (2026-11) or \"24h ago\"")
	s.StringVar(&f.To, "to", "now", "replay: time up to which it is, which is not part of it; a date or a month is, all of it")
	s.StringVar(&f.Rule, "rule", "", "replay: name of the only rule that is meant; empty: all")
	s.StringVar(&f.File, "file", "", "replay: file of an embedded store to read, such as a backup, in place of the store of the settings")
	s.BoolVar(&f.JSON, "json", false, "replay: one JSON object a line, with what happened")
	return s
}
