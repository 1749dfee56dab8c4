package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/transfer"
)

// importCommand adds the rows of files to the history.
func importCommand(args []string) int {
	var f config.ImportFlags
	c, files, code, done := settingsOf("import", f.Flags(), args)
	if done {
		return code
	}
	if len(files) == 0 {
		return unusable(errors.New("a file is missing: import FILE reads a file, import - reads stdin"))
	}
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := untilSignal()
	defer stop()
	if err := readable(files); err != nil {
		return failed(err)
	}
	history, closeHistory, err := openHistory(ctx, app.HistoryOptions{Config: c, File: f.File, Create: true})
	if errors.Is(err, app.ErrInUse) {
		return failed(fmt.Errorf("%w: stop the server, import, and start it again", err))
	}
	if err != nil {
		return failed(err)
	}
	defer closeHistory()
	var sum transfer.Imported
	waiting := func() {
		say(os.Stderr, "another import into this database runs, or was killed a moment ago: this one waits for its turn")
	}
	err = app.ImportAlone(ctx, history, c.API(), waiting, func(ctx context.Context) error {
		return importFiles(ctx, history, files, &f, &sum)
	})
	importOver(sum, c, f.Quiet)
	if errors.Is(err, context.Canceled) {
		err = errors.New("stopped before the import was complete")
	}
	if err != nil {
		return failed(fmt.Errorf("%w; the same command again goes on where this one ended", err))
	}
	return 0
}

// importFiles imports one file after the other.
func importFiles(ctx context.Context, history app.History, files []string, f *config.ImportFlags, sum *transfer.Imported) error {
	for _, name := range files {
		one, err := importFile(ctx, history, name, f)
		sum.Rows, sum.Added, sum.Bad = sum.Rows+one.Rows, sum.Added+one.Added, sum.Bad+one.Bad
		if !one.Oldest.IsZero() && (sum.Oldest.IsZero() || one.Oldest.Before(sum.Oldest)) {
			sum.Oldest = one.Oldest
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readable finds files that are missing before anything is imported.
func readable(files []string) error {
	for _, name := range files {
		if name == "-" {
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("the file cannot be read: %w", err)
		}
		if info.IsDir() {
			return fmt.Errorf("%s is a directory: name the files in it", name)
		}
	}
	return nil
}

// maxBadTold is how many bad lines of a file are told.
const maxBadTold = 20

func importFile(ctx context.Context, history app.History, name string, f *config.ImportFlags) (transfer.Imported, error) {
	o := transfer.ImportOptions{
		Store: history, In: os.Stdin, Name: "stdin", SkipBad: f.SkipBad, Rehash: f.Rehash,
	}
	bad := 0
	o.OnBad = func(err error) {
		if bad++; bad <= maxBadTold {
			say(os.Stderr, "left out: "+err.Error())
		}
		if bad == maxBadTold {
			say(os.Stderr, "further lines that are left out are only counted")
		}
	}
	if name != "-" {
		in, err := os.Open(name) // #nosec G304 -- the person who runs the program names it.
		if err != nil {
			return transfer.Imported{}, fmt.Errorf("the file cannot be read: %w", err)
		}
		defer func() { _ = in.Close() }()
		o.In, o.Name = in, name
		if info, err := in.Stat(); err == nil {
			o.Size = info.Size()
		}
	}
	if !f.Quiet {
		o.Progress = transfer.NewProgress(os.Stderr, "importing")
		defer o.Progress.Close()
	}
	return transfer.Import(ctx, o)
}

// importOver says what was imported, and what will not stay.
func importOver(sum transfer.Imported, c config.Config, quiet bool) {
	if !quiet {
		say(os.Stderr, fmt.Sprintf("imported %s rows: %s are new, %s were there already, %s lines were left out",
			transfer.Thousands(sum.Rows), transfer.Thousands(sum.Added), transfer.Thousands(sum.Rows-sum.Added), transfer.Thousands(sum.Bad)))
	}
	if sum.Added > 0 && !sum.Oldest.IsZero() && time.Since(sum.Oldest) > c.Retention {
		say(os.Stderr, fmt.Sprintf("the oldest row is of %s: the server deletes rows that are older than HISTORY_RETENTION=%s, also those that were imported; set it to more before you start it",
			sum.Oldest.Format(time.RFC3339), c.Retention))
	}
}
