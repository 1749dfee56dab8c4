package config

import (
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
)

// Log are the settings of the log.
type Log struct {
	LogLevel  string
	LogFormat string
}

func defaultLog() Log { return Log{LogFormat: "auto"} }

func (s *Log) declare(d *declaration) {
	d.add(&s.LogLevel, "log-level", "LOG_LEVEL", "debug, info, warning or error; empty: warning where NODE_ENV is test, else info")
	d.add(&s.LogFormat, "log-format", "LOG_FORMAT", "json, text, or auto: text at a terminal, json elsewhere")
}

// level returns the level for an environment: that of the settings where they name
// one.
func (s *Log) level(environment string) string {
	switch {
	case s.LogLevel != "":
		return s.LogLevel
	case strings.EqualFold(strings.TrimSpace(environment), "test"):
		return "warning"
	}
	return "info"
}

func (s *Log) check(r *report) {
	if _, err := logrus.ParseLevel(s.LogLevel); err != nil && s.LogLevel != "" {
		r.bad("LOG_LEVEL=%q is unknown: debug, info, warning and error are allowed", s.LogLevel)
	}
	s.LogFormat = strings.ToLower(strings.TrimSpace(s.LogFormat))
	if !slices.Contains([]string{"auto", "json", "text"}, s.LogFormat) {
		r.bad("LOG_FORMAT=%q is unknown: auto, json and text are allowed", s.LogFormat)
	}
}
