package logging

import (
	"bytes"
	"context"
	"io"
	"log/slog"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store/discard"
)

// Lines returns a writer for libraries that know nothing but an io.Writer: each
// write is one entry.
func Lines(log logrus.FieldLogger, level logrus.Level) io.Writer {
	return lines{logrus.NewEntry(logger(log)).WithFields(fields(log)), level}
}

type lines struct {
	entry *logrus.Entry
	level logrus.Level
}

// Write implements io.Writer.
func (l lines) Write(line []byte) (int, error) {
	if text := string(bytes.TrimSpace(line)); text != "" {
		l.entry.Log(l.level, text)
	}
	return len(line), nil
}

// logger is the logger behind a FieldLogger.
func logger(log logrus.FieldLogger) *logrus.Logger {
	switch l := log.(type) {
	case *logrus.Logger:
		return l
	case *logrus.Entry:
		return l.Logger
	}
	return discard.Logger()
}

func fields(log logrus.FieldLogger) logrus.Fields {
	if e, ok := log.(*logrus.Entry); ok {
		return e.Data
	}
	return nil
}

// Handler lets libraries that use log/slog write into the log.
func Handler(log logrus.FieldLogger) slog.Handler {
	return handler{entry: logrus.NewEntry(logger(log)).WithFields(fields(log))}
}

type handler struct {
	entry  *logrus.Entry
	prefix string // of the groups, ending with a dot
}

func level(l slog.Level) logrus.Level {
	switch {
	case l >= slog.LevelError:
		return logrus.ErrorLevel
	case l >= slog.LevelWarn:
		return logrus.WarnLevel
	case l >= slog.LevelInfo:
		return logrus.InfoLevel
	}
	return logrus.DebugLevel
}

// Enabled implements slog.Handler.
func (h handler) Enabled(_ context.Context, l slog.Level) bool {
	return h.entry.Logger.IsLevelEnabled(level(l))
}

// Handle implements slog.Handler.
func (h handler) Handle(_ context.Context, r slog.Record) error {
	to := make(logrus.Fields, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool { put(to, h.prefix, a); return true })
	e := h.entry.WithFields(to)
	if !r.Time.IsZero() {
		e = e.WithTime(r.Time)
	}
	e.Log(level(r.Level), r.Message)
	return nil
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	to := make(logrus.Fields, len(attrs))
	for _, a := range attrs {
		put(to, h.prefix, a)
	}
	return handler{h.entry.WithFields(to), h.prefix}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return handler{h.entry, h.prefix + name + "."}
}

// put adds an attribute as logrus writes it: an error as its text, a group as
// names with dots.
func put(to logrus.Fields, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	switch {
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, one := range v.Group() {
			put(to, prefix, one)
		}
	case a.Key == "" && v.Any() == nil:
	case v.Kind() == slog.KindDuration:
		to[prefix+a.Key] = v.Duration().String()
	default:
		to[prefix+a.Key] = v.Any()
	}
}
