package app

import (
	"strconv"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/socket"
)

// alertNotice is an alert as dashboards hear of it.
func alertNotice(a alert.Alert) socket.Notice {
	n := socket.Notice{API: a.API, ID: a.ID, Data: a.AppendJSON(nil)}
	if a.Region != "" {
		n.Sources = []string{a.Region}
	}
	return n
}

// windowNotice is a window of maintenance as dashboards hear of it. Those of a window
// that returns have one ID: when it begins tells them apart.
func windowNotice(w alert.Window) socket.Notice {
	id := w.ID + " " + strconv.FormatInt(w.StartsAt.UnixMilli(), 10)
	return socket.Notice{API: w.API, ID: id, Sources: w.Regions, Data: w.AppendJSON(nil)}
}

// notices makes all of them ones for dashboards.
func notices[T any](all []T, one func(T) socket.Notice) []socket.Notice {
	told := make([]socket.Notice, len(all))
	for i, v := range all {
		told[i] = one(v)
	}
	return told
}
