package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/pflag"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/logging"
	"github.com/devops-insights/devops-insights/app/transfer"
)

// settingsOf reads the flags and settings of a command with flags of its own.
// done says that the command is over, with this exit code.
func settingsOf(command string, flags *pflag.FlagSet, args []string) (c config.Config, rest []string, code int, done bool) {
	c, rest, warnings, err := config.LoadCommand(flags, args, os.Environ())
	if errors.Is(err, pflag.ErrHelp) {
		config.CommandHelp(os.Stdout, command)
		return c, nil, 0, true
	}
	for _, w := range warnings {
		say(os.Stderr, w)
	}
	if err != nil {
		return c, nil, unusable(err), true
	}
	return c, rest, 0, false
}

// unusable says what is wrong with a flag or a setting.
func unusable(err error) int {
	say(os.Stderr, err.Error())
	return exitConfig
}

// failed says why a command ends.
func failed(err error) int {
	say(os.Stderr, err.Error())
	return exitFailure
}

// exportCommand writes the history to a file or to stdout.
func exportCommand(args []string) int {
	var f config.ExportFlags
	c, rest, code, done := settingsOf("export", f.Flags(), args)
	if done {
		return code
	}
	format, within, err := checkExport(&f, rest)
	var fields []string
	if err == nil {
		fields, err = transfer.ParseFields(f.Fields)
	}
	if err != nil {
		return unusable(err)
	}
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := untilSignal()
	defer stop()
	out, err := transfer.OpenOutput(f.Output, os.Stdout, transfer.OutputOptions{
		Force: f.Force, Resume: f.Resume, Whole: format == transfer.OpenMetrics,
	})
	if err != nil {
		return failed(err)
	}
	defer func() { _ = out.Close() }()
	history, closeHistory, err := openHistory(ctx, app.HistoryOptions{Config: c, File: f.File})
	if errors.Is(err, app.ErrInUse) {
		return failed(fmt.Errorf("%w: make a copy of it with `devops-insights backup -o copy.db`, and read that with --file copy.db", err))
	}
	if err == nil {
		defer closeHistory()
		err = app.CheckStored(ctx, history, c.Catalog(), c.ChosenAPI(), f.Source)
	}
	if err != nil {
		return failed(err)
	}
	var progress *transfer.Progress
	if !f.Quiet {
		progress = transfer.NewProgress(os.Stderr, "exporting")
	}
	result, err := transfer.Export(ctx, transfer.ExportOptions{
		Store: history, API: c.ChosenAPI(), Source: f.Source, Range: within, Format: format, Fields: fields, Gzip: f.Gzip, Output: out, Progress: progress,
	})
	progress.Close()
	return exportOver(&f, format, out, result, err)
}

// checkExport puts the flags into the form that the rest relies on.
func checkExport(f *config.ExportFlags, rest []string) (transfer.Format, transfer.Range, error) {
	format, err := transfer.ParseFormat(f.Format)
	if err != nil {
		return "", transfer.Range{}, err
	}
	within, err := transfer.ParseRange(f.From, f.To, time.Now())
	f.Source = strings.ToLower(strings.TrimSpace(f.Source))
	switch {
	case err != nil:
	case len(rest) > 0:
		err = errors.New("export takes no arguments: the file is named by -o FILE")
	case f.Output == "":
		err = errors.New("-o is missing: -o FILE writes to a file, -o - to stdout")
	case f.Fields != "" && format != transfer.CSV:
		err = errors.New("--fields is for --format csv")
	case f.Resume && f.Output == "-":
		err = errors.New("--resume continues a file: -o - is none")
	case f.Resume && f.Force:
		err = errors.New("--resume continues what --force would delete: one of them is meant")
	case f.Resume && format == transfer.OpenMetrics:
		err = errors.New("--resume does not go with --format openmetrics, which is sorted as a whole: begin anew with --force")
	case f.Gzip && f.Output == "-" && isatty.IsTerminal(os.Stdout.Fd()):
		err = errors.New("--gzip is nothing for a terminal: name a file with -o")
	}
	return format, within, err
}

// exportOver says what was written, or why it is not complete.
func exportOver(f *config.ExportFlags, format transfer.Format, out *transfer.Output, r transfer.Exported, err error) int {
	where := f.Output
	if where == "-" {
		where = "stdout"
	}
	what := fmt.Sprintf("exported %s rows, %s, to %s", transfer.Thousands(r.Rows), transfer.Size(r.Bytes), where)
	if r.Resumed {
		what += ", behind those of " + out.Part()
	}
	if format == transfer.OpenMetrics {
		what = fmt.Sprintf("exported %s samples of %s series, of %s rows, %s, to %s", transfer.Thousands(r.Samples), transfer.Thousands(r.Series), transfer.Thousands(r.Rows), transfer.Size(r.Bytes), where)
	}
	switch {
	case err == nil:
		if r.Left > 0 {
			say(os.Stderr, "some fields are left out: a region has more than can be kept apart")
		}
		if !f.Quiet {
			say(os.Stderr, what)
		}
		return 0
	case errors.Is(err, transfer.ErrReaderGone):
		return 0
	case errors.Is(err, context.Canceled):
		err = errors.New("stopped before the export was complete")
	}
	if out.Part() != "" && format != transfer.OpenMetrics {
		err = fmt.Errorf("%w; what was written is in %s, and --resume continues it", err, out.Part())
	}
	return failed(err)
}

// openHistory opens a store whose warnings go to stderr.
func openHistory(ctx context.Context, o app.HistoryOptions) (app.History, func(), error) {
	log := logging.New(os.Stderr, logging.Options{Level: "warning", Format: "text"})
	o.Logger = log.Logger
	history, err := app.OpenHistory(ctx, o)
	if err != nil {
		log.Writer.Close()
		return nil, nil, err
	}
	return history, func() { _ = history.Close(); log.Writer.Close() }, nil
}
