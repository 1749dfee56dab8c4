package tracing

import (
	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel/trace"
)

// LogHook gives the lines of the log that have a context the id of its trace.
type LogHook struct{}

// AddLogHook gives a logger the hook, once.
func AddLogHook(l *logrus.Logger) {
	for _, h := range l.Hooks[logrus.InfoLevel] {
		if _, there := h.(LogHook); there {
			return
		}
	}
	l.AddHook(LogHook{})
}

// Levels implements logrus.Hook.
func (LogHook) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook.
func (LogHook) Fire(e *logrus.Entry) error {
	if e.Context == nil {
		return nil
	}
	if sc := trace.SpanContextFromContext(e.Context); sc.HasTraceID() {
		e.Data["trace_id"] = sc.TraceID().String()
	}
	return nil
}
