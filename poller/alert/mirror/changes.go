package mirror

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// byUrgency returns the alerts in the order in which people want to read them.
func byUrgency(all []alert.Alert) []alert.Alert {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b alert.Alert) int {
		return cmp.Or(
			cmp.Compare(place(a.State, alert.Firing, alert.Pending, alert.Resolved), place(b.State, alert.Firing, alert.Pending, alert.Resolved)),
			cmp.Compare(place(a.Severity, alert.Critical, alert.Warning, alert.Info), place(b.Severity, alert.Critical, alert.Warning, alert.Info)),
			b.PendingAt.Compare(a.PendingAt),
			strings.Compare(a.ID, b.ID),
		)
	})
	return all
}

// place returns where v stands in an order; what is not in it comes last.
func place[T comparable](v T, order ...T) int {
	if i := slices.Index(order, v); i >= 0 {
		return i
	}
	return len(order)
}

// changes returns what those who know the alerts of before have to be told: what
// is over first, and then in the order of after.
func changes(before, after []alert.Alert) (changed []alert.Alert) {
	was, is := byID(before), byID(after)
	for _, a := range before {
		if _, still := is[a.ID]; !still {
			a.State = alert.Inactive
			changed = append(changed, a)
		}
	}
	for _, a := range after {
		if old, known := was[a.ID]; !known || !same(old, a) {
			changed = append(changed, a)
		}
	}
	return changed
}

func byID(all []alert.Alert) map[string]alert.Alert {
	m := make(map[string]alert.Alert, len(all))
	for _, a := range all {
		m[a.ID] = a
	}
	return m
}

// same reports whether two readings of an alert tell people the same. Texts may be
// other ones, such as a summary with the newest value.
func same(a, b alert.Alert) bool {
	return a.Incident == b.Incident && a.State == b.State && a.Severity == b.Severity &&
		sameAck(a.Ack, b.Ack) && sameSuppression(a.Suppressed, b.Suppressed)
}

func sameAck(a, b *alert.Ack) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.By == b.By && a.Comment == b.Comment && a.At.Equal(b.At)
}

func sameSuppression(a, b *alert.Suppression) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.By == b.By && a.ID == b.ID && sameTime(a.Until, b.Until)
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}
