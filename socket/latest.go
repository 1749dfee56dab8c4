package socket

import (
	"bytes"
	"slices"
	"sync"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
)

// latest keeps the answer with the values of all regions as it was encoded
// last: thousands of dashboards that connect at once ask the same, and as long
// as nothing changes they get the same bytes.
type latest struct {
	mu     sync.Mutex
	values []store.Metric
	answer *socketio.Prepared
}

// of returns the answer with the values; encode makes it where they are not
// those of the answer before. The others wait meanwhile: they need it too.
func (l *latest) of(values []store.Metric, encode func([]store.Metric) (*socketio.Prepared, error)) (*socketio.Prepared, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answer != nil && slices.EqualFunc(l.values, values, shownAlike) {
		return l.answer, nil
	}
	answer, err := encode(values)
	if err != nil {
		return nil, err
	}
	l.values, l.answer = slices.Clone(values), answer
	return answer, nil
}

// shownAlike reports whether two values look the same in the answer. To compare
// the data costs nothing while it is the same memory, as that of a cache is.
func shownAlike(a, b store.Metric) bool {
	return a.Source == b.Source && a.UpdatedAt.Equal(b.UpdatedAt) && bytes.Equal(a.Data, b.Data)
}
