package logging

import (
	"maps"

	"github.com/sirupsen/logrus"
)

// The fields of an error and of its class. logrus has another name for the first.
const (
	errorField = "err"
	classField = "err_class"
)

// formatter leaves out lines that no rule shows, and gives the fields of the
// others the names that docs/logging.md promises.
type formatter struct {
	logrus.Formatter
	levels *Levels
}

// Format implements logrus.Formatter. A line that is left out is empty.
func (f formatter) Format(e *logrus.Entry) ([]byte, error) {
	if !f.levels.Shows(e) {
		return nil, nil
	}
	err, found := e.Data[logrus.ErrorKey]
	if !found {
		return f.Formatter.Format(e)
	}
	line := *e
	line.Data = maps.Clone(e.Data)
	delete(line.Data, logrus.ErrorKey)
	line.Data[errorField] = err
	if class := classOf(e.Data); class != "" {
		line.Data[classField] = class
	}
	return f.Formatter.Format(&line)
}
