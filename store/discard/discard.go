// Package discard has the logger of those who are given none.
package discard

import (
	"io"

	"github.com/sirupsen/logrus"
)

// Logger returns a new logger of which nobody hears anything.
func Logger() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}
