package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/spf13/pflag"

	"github.com/devops-insights/devops-insights/app/backup"
	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/transfer"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

// embeddedOf reads the settings of a command that is about the embedded store.
func embeddedOf(command string, flags *pflag.FlagSet, args []string) (c config.Config, rest []string, code int, done bool) {
	c, rest, code, done = settingsOf(command, flags, args)
	if !done && c.DatabaseURL != "" {
		return c, nil, unusable(fmt.Errorf("DATABASE_URL is set, and %s is about the embedded store: mongodump and mongorestore are for a database, export and import for both", command)), true
	}
	return c, rest, code, done
}

// backupCommand copies the file of the embedded store.
func backupCommand(args []string) int {
	var f config.BackupFlags
	c, rest, code, done := embeddedOf("backup", f.Flags(), args)
	switch {
	case done:
		return code
	case len(rest) > 0:
		return unusable(errors.New("backup takes no arguments: the file is named by -o FILE"))
	case f.Output == "":
		return unusable(errors.New("-o is missing: -o FILE writes to a file, -o - to stdout"))
	case f.Output == "-" && isatty.IsTerminal(os.Stdout.Fd()):
		return unusable(errors.New("a backup is nothing for a terminal: name a file with -o"))
	}
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := untilSignal()
	defer stop()
	out, err := transfer.OpenOutput(f.Output, os.Stdout, transfer.OutputOptions{Force: f.Force, Whole: true})
	if err != nil {
		return failed(err)
	}
	defer func() { _ = out.Close() }()
	o := backup.Options{File: filepath.Join(c.DataDir, boltstore.FileName), Internal: c.InternalListenAddr()}
	if !f.Quiet {
		o.Progress = transfer.NewProgress(os.Stderr, "copying")
	}
	err = backup.Copy(ctx, o, out.Writer(ctx))
	o.Progress.Close()
	what := "copied the store to stdout; what is made of it was not checked: devops-insights store check FILE does"
	if err == nil {
		err = out.Commit(func(part string) error {
			found, err := backup.Verify(part)
			what = fmt.Sprintf("%s: %s latest values and %s history rows are whole", f.Output, transfer.Thousands(int64(found.Latest)), transfer.Thousands(int64(found.Rows)))
			return err
		})
	}
	switch {
	case errors.Is(err, transfer.ErrReaderGone):
		return 0
	case errors.Is(err, context.Canceled):
		err = errors.New("stopped before the backup was complete")
	}
	if err != nil {
		return failed(err)
	}
	if !f.Quiet {
		say(os.Stderr, what)
	}
	return 0
}

// restoreCommand puts a backup in the place of the file of the embedded store.
func restoreCommand(args []string) int {
	c, rest, code, done := embeddedOf("restore", new(config.RestoreFlags).Flags(), args)
	if done {
		return code
	}
	if len(rest) != 1 || rest[0] == "-" {
		return unusable(errors.New("restore takes the name of one file: devops-insights restore FILE"))
	}
	ctx, stop := untilSignal()
	defer stop()
	if err := readable(rest); err != nil {
		return failed(err)
	}
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return failed(fmt.Errorf("DATA_DIR=%s cannot be made: %w", c.DataDir, err))
	}
	path := filepath.Join(c.DataDir, boltstore.FileName)
	r, err := backup.Restore(ctx, rest[0], path)
	switch {
	case errors.Is(err, context.Canceled):
		return failed(errors.New("stopped: the store stays as it was"))
	case err != nil:
		return failed(fmt.Errorf("%w; the store stays as it was", err))
	}
	fmt.Printf("%s is %s now, with %d latest values and %d history rows\n", path, rest[0], r.Latest, r.Rows)
	if r.Old != "" {
		fmt.Printf("the file that was there is %s now\n", r.Old)
	}
	return 0
}
