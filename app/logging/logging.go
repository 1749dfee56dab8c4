// Package logging writes the log of the program: lines for people at a terminal,
// JSON elsewhere, and in no case does somebody who logs wait for somebody who
// reads. Libraries log the same way, over Handler and Lines.
package logging

import (
	"bytes"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/sirupsen/logrus"
)

// Options configures New. The zero value of every field is usable.
type Options struct {
	// Level is debug, info, warning or error. Empty: info.
	Level string
	// Format is json, text, or auto: text where Out is a terminal. Empty: auto.
	Format string
	// Getenv is asked for NO_COLOR and TERM. Nil: os.Getenv.
	Getenv func(string) string
	// MaxQueue bounds what waits for a reader, in bytes. Zero: 4 MiB.
	MaxQueue int
}

// Log is the log of the program, and what can be asked and changed while it runs.
type Log struct {
	*logrus.Logger
	// Levels decides which lines are shown.
	Levels *Levels
	// Errors counts the warnings and errors.
	Errors *Counter
	// Writer is what New writes to; nil for a logger of somebody else.
	Writer *Writer
}

// New returns a log that writes to out by a Writer, which is to be closed at the
// end of the program.
func New(out io.Writer, o Options) *Log {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	log := logrus.New()
	if level, err := logrus.ParseLevel(o.Level); err == nil {
		log.SetLevel(level)
	}
	terminal := isTerminal(out)
	if o.Format == "text" || o.Format != "json" && terminal {
		log.SetFormatter(&text{colour: terminal && o.Getenv("NO_COLOR") == "" && o.Getenv("TERM") != "dumb"})
	} else {
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	}
	w := NewWriter(out, o.MaxQueue, func(lost uint64) []byte {
		e := logrus.NewEntry(log).WithField("lost", lost)
		e.Time, e.Level = time.Now(), logrus.WarnLevel
		e.Message = "lines of the log were lost: nobody read it, or it could not be written"
		line, err := log.Formatter.Format(e)
		if err != nil {
			return nil
		}
		return bytes.Clone(line)
	})
	log.SetOutput(w)
	l := Wrap(log)
	l.Writer = w
	return l
}

// Wrap makes a Log of a logger: from then on its lines have the names of fields
// that docs/logging.md promises.
func Wrap(log *logrus.Logger) *Log {
	l := &Log{Logger: log, Levels: newLevels(log), Errors: new(Counter)}
	log.SetFormatter(formatter{log.Formatter, l.Levels})
	log.AddHook(l.Errors)
	return l
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}
