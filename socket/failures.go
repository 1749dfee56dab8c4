package socket

import (
	"sync"
	"time"
)

// failures bounds the lines about questions that could not be answered: many
// dashboards that ask again and again meet the same failure.
type failures struct {
	mu     sync.Mutex
	said   map[string]time.Time // when each reason was logged last
	unsaid int
}

// The time in which a reason is logged once, and the reasons in that time.
const (
	failurePeriod = time.Minute
	failureKinds  = 10
)

// isNews reports whether a reason is to be logged now, and how many failures
// were not since the last line.
func (f *failures) isNews(reason string, now time.Time) (unsaid int, news bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for r, at := range f.said {
		if now.Sub(at) >= failurePeriod {
			delete(f.said, r)
		}
	}
	if _, known := f.said[reason]; known || len(f.said) >= failureKinds {
		f.unsaid++
		return 0, false
	}
	if f.said == nil {
		f.said = make(map[string]time.Time)
	}
	f.said[reason] = now
	unsaid, f.unsaid = f.unsaid, 0
	return unsaid, true
}
