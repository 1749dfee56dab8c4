package config

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// ExportFlags are those of the command export.
type ExportFlags struct {
	From, To, Source, Format, Fields, Output, File string
	Gzip, Resume, Force, Quiet                     bool
}

// Flags declares the flags.
func (f *ExportFlags) Flags() *pflag.FlagSet {
	s := newFlags("export")
	s.StringVar(&f.From, "from", "", "time from which on rows are written: a time, a date, a month (2026-11) or \"24h ago\"; empty: the oldest")
	s.StringVar(&f.To, "to", "", "time up to which rows are written, which is not part of it; a date or a month is, all of it; empty: the newest")
	s.StringVar(&f.Source, "source", "", "region; empty: all")
	s.StringVar(&f.Format, "format", "ndjson", "format: ndjson (which can be imported), csv, or openmetrics for promtool")
	s.StringVar(&f.Fields, "fields", "", "fields of the values that csv has in columns of their own, such as status,results.stats.server.cpu_load; empty: the value is one column, as JSON")
	s.BoolVar(&f.Gzip, "gzip", false, "compression with gzip")
	s.StringVarP(&f.Output, "output", "o", "", "file, or - for stdout; a file is written as FILE.part and gets its name when it is complete")
	s.BoolVar(&f.Resume, "resume", false, "continuation of FILE.part of an export that was cut off, in the formats ndjson and csv")
	s.BoolVar(&f.Force, "force", false, "replacement of a file that is there")
	s.StringVar(&f.File, "file", "", "file of an embedded store to read, such as a backup, in place of the store of the settings")
	s.BoolVar(&f.Quiet, "quiet", false, "silence about the progress")
	return s
}

// ImportFlags are those of the command import.
type ImportFlags struct {
	File                   string
	SkipBad, Rehash, Quiet bool
}

// Flags declares the flags.
func (f *ImportFlags) Flags() *pflag.FlagSet {
	s := newFlags("import")
	s.BoolVar(&f.SkipBad, "skip-bad", false, "leaving out of lines that cannot be imported, which are counted; else the first one ends it")
	s.BoolVar(&f.Rehash, "rehash", false, "acceptance of data that is not that of its hash")
	s.StringVar(&f.File, "file", "", "file of an embedded store to fill, in place of the store of the settings")
	s.BoolVar(&f.Quiet, "quiet", false, "silence about the progress")
	return s
}

// BackupFlags are those of the command backup.
type BackupFlags struct {
	Output       string
	Force, Quiet bool
}

// Flags declares the flags.
func (f *BackupFlags) Flags() *pflag.FlagSet {
	s := newFlags("backup")
	s.StringVarP(&f.Output, "output", "o", "", "file, which is checked before it gets its name, or - for stdout, which is not")
	s.BoolVar(&f.Force, "force", false, "replacement of a file that is there")
	s.BoolVar(&f.Quiet, "quiet", false, "silence about the progress")
	return s
}

// AlertsFlags are those of the command alerts.
type AlertsFlags struct{ Receiver string }

// Flags declares the flags.
func (f *AlertsFlags) Flags() *pflag.FlagSet {
	s := newFlags("alerts")
	s.StringVar(&f.Receiver, "receiver", "", "name of the one receiver that is told; empty: all are")
	return s
}

// ConfigFlags are those of the command config.
type ConfigFlags struct{ Origin bool }

// Flags declares the flags.
func (f *ConfigFlags) Flags() *pflag.FlagSet {
	s := newFlags("config")
	s.BoolVar(&f.Origin, "origin", false, "with each value where it comes from: a flag, a variable, the line of a file, or the default")
	return s
}

// RestoreFlags are those of the command restore: it has none.
type RestoreFlags struct{}

// Flags declares the flags.
func (*RestoreFlags) Flags() *pflag.FlagSet { return newFlags("restore") }

func newFlags(name string) *pflag.FlagSet {
	s := pflag.NewFlagSet(name, pflag.ContinueOnError)
	s.SortFlags = false
	return s
}

// command is one of the words that may stand first.
type command struct {
	name, arguments, usage string
	flags                  *pflag.FlagSet // its own; nil: none
}

func commands() []command {
	return []command{
		{name: "serve", usage: "run until SIGINT or SIGTERM, then drain (the default)"},
		{name: "export", arguments: "-o FILE|-", usage: "write the history to a file or to stdout", flags: new(ExportFlags).Flags()},
		{name: "import", arguments: "FILE…|-", usage: "add the rows of NDJSON files, also compressed with gzip, to the history; what is there already is left out", flags: new(ImportFlags).Flags()},
		{name: "backup", arguments: "-o FILE|-", usage: "copy the file of the embedded store, also while a server with INTERNAL_ADDR uses it", flags: new(BackupFlags).Flags()},
		{name: "restore", arguments: "FILE", usage: "put a backup in the place of the embedded store's file, which no process may use; the old one is kept beside it", flags: new(RestoreFlags).Flags()},
		{name: "store", usage: "check, repair or compact [FILE]: examine, mend or shrink the file of the embedded store, which no process may use"},
		{name: "alerts", arguments: "send-test [--receiver NAME]", usage: "send a test alert, which is resolved at once, to the receivers of alerts, and say of each whether it has taken it; exit code 0, 1 or 78", flags: new(AlertsFlags).Flags()},
		{name: "healthcheck", usage: "ask a running server whether it is ready; exit code 0 or 1"},
		{name: "config", arguments: "[show|check [FILE]]", usage: "print the effective settings as a settings file, secrets redacted; check: say what is wrong with them, or with a file, all at once; exit code 0 or 78", flags: new(ConfigFlags).Flags()},
		{name: "rules", arguments: "check [FILE] | replay", usage: "check [FILE]: list the rules of alerts, with what they look at and who is told, or say what is wrong with them; exit code 0 or 78; replay: say what would have fired in the past", flags: new(ReplayFlags).Flags()},
		{name: "version", usage: "print the version"},
		{name: "help", usage: "print this text"},
	}
}

func commandNames() (names []string) {
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
}

// help writes what the command does, and its flags.
func (c command) help(w io.Writer) {
	_, _ = fmt.Fprintf(w, "  %-12s %s\n", c.name, c.usage)
	if c.flags == nil {
		return
	}
	_, _ = fmt.Fprintf(w, "      devops-insights %s\n", strings.TrimSpace(c.name+" "+c.arguments))
	c.flags.VisitAll(func(f *pflag.Flag) {
		short := ""
		if f.Shorthand != "" {
			short = ", -" + f.Shorthand
		}
		_, _ = fmt.Fprintf(w, "      --%s%s  %s\n", f.Name, short, f.Usage)
	})
}

// CommandHelp writes the help of one command, whose settings Help lists.
func CommandHelp(w io.Writer, name string) {
	for _, c := range commands() {
		if c.name == name {
			c.help(w)
		}
	}
	_, _ = fmt.Fprint(w, "\nThe store is that of the settings, DATABASE_URL, DATA_DIR and EXTERNAL_API_NAME: devops-insights help lists them.\n"+
		"Exit codes: 0 in order, 1 a failure, 78 a flag or a setting that cannot be used.\n")
}
