package app

import (
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/socket"
)

func TestDashboardsHearOfAlertsAndMaintenanceByRegion(t *testing.T) {
	g := NewWithT(t)
	a := alert.Alert{ID: "1", API: "acme", Region: "eu-west", State: alert.Firing}
	all := alert.Alert{ID: "2", API: "acme"}
	g.Expect(notices([]alert.Alert{a, all}, alertNotice)).To(Equal([]socket.Notice{
		{API: "acme", ID: "1", Sources: []string{"eu-west"}, Data: a.AppendJSON(nil)},
		{API: "acme", ID: "2", Data: all.AppendJSON(nil)}, // one over all regions
	}))
	w := alert.Window{ID: "w", API: "acme", Regions: []string{"eu-west", "us-east"}, StartsAt: time.UnixMilli(5)}
	g.Expect(windowNotice(w)).To(Equal(socket.Notice{API: "acme", ID: "w 5", Sources: w.Regions, Data: w.AppendJSON(nil)}))
	g.Expect(json.Valid(windowNotice(w).Data)).To(BeTrue())
	g.Expect(notices([]alert.Window(nil), windowNotice)).To(BeEmpty())
}

func TestMaintenanceIsShownFromItsAnnouncementOn(t *testing.T) {
	g := NewWithT(t)
	now := time.Now()
	window := func(id, state string, announce time.Duration) alert.Window {
		return alert.Window{ID: id, State: state, AnnounceAt: now.Add(announce)}
	}
	g.Expect(announced([]alert.Window{
		window("under way", quiet.Active, time.Minute), window("soon", quiet.Scheduled, 0), window("later", quiet.Scheduled, time.Second),
	}, now)).To(HaveExactElements(HaveField("ID", "under way"), HaveField("ID", "soon")))
}
