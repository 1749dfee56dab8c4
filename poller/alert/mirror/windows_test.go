package mirror

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// plans replaces the windows of an API.
func (w *world) plans(api string, all ...alert.Window) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.planned = map[string][]alert.Window{api: all}
}

// window begins so long after the beginning of the test, is announced a minute
// before that, and lasts for a minute.
func (w *world) window(id string, begins time.Duration, state string, change ...func(*alert.Window)) alert.Window {
	at := w.began.Add(begins)
	one := alert.Window{ID: id, API: "acme", StartsAt: at, EndsAt: at.Add(time.Minute), AnnounceAt: at.Add(-time.Minute), State: state}
	for _, f := range change {
		f(&one)
	}
	return one
}

func (w *world) shownWindows(api string) (all []string) {
	for _, one := range w.Windows(api) {
		all = append(all, one.ID+" "+one.State)
	}
	return all
}

func TestDashboardsAreToldOfMaintenanceWhenItIsAnnounced(t *testing.T) {
	during(t, func(w *world) {
		w.plans("acme", w.window("db", 90*time.Second, "scheduled"))
		w.Expect(w.pass(29*time.Second)).To(BeEmpty(), "it is too early")
		w.Expect(w.shownWindows("acme")).To(BeEmpty())
		w.Expect(w.pass(2 * time.Second)).To(Equal([]string{"acme db of 1m30s scheduled"}))
		w.Expect(w.shownWindows("acme")).To(Equal([]string{"db scheduled"}))
		w.Expect(w.pass(10*time.Second)).To(BeEmpty(), "once")
		w.plans("acme", w.window("db", 90*time.Second, "active"))
		w.Expect(w.pass(time.Second)).To(Equal([]string{"acme db of 1m30s active"}))
		w.plans("acme")
		w.Expect(w.pass(time.Second)).To(Equal([]string{"acme db of 1m30s ended"}))
		w.Expect(w.shownWindows("acme")).To(BeEmpty())
	})
}

func TestWhatIsChangedOfMaintenanceIsTold(t *testing.T) {
	during(t, func(w *world) {
		w.plans("acme", w.window("b", 0, "active"), w.window("a", 0, "active"))
		w.Expect(w.pass(time.Second)).To(Equal([]string{"acme a of 0s active", "acme b of 0s active"}))
		for _, change := range []func(*alert.Window){
			func(one *alert.Window) { one.Title = "x" },
			func(one *alert.Window) { one.Comment = "x" },
			func(one *alert.Window) { one.Regions = []string{"eu-west"} },
			func(one *alert.Window) { one.EndsAt = one.EndsAt.Add(time.Hour) },
			func(one *alert.Window) { one.AnnounceAt = one.AnnounceAt.Add(time.Second) },
		} {
			w.plans("acme", w.window("a", 0, "active"), w.window("b", 0, "active", change))
			w.Expect(w.pass(time.Second)).To(Equal([]string{"acme b of 0s active"}))
			w.plans("acme", w.window("a", 0, "active"), w.window("b", 0, "active"))
			w.Expect(w.pass(time.Second)).To(Equal([]string{"acme b of 0s active"}), "and back")
		}
		w.plans("acme", w.window("a", 0, "ended"), w.window("b", 0, "active"))
		w.Expect(w.pass(time.Second)).To(Equal([]string{"acme a of 0s ended"}), "by somebody's word")
	})
}

func TestTheTimesOfAWindowThatReturnsAreToldApart(t *testing.T) {
	during(t, func(w *world) {
		w.plans("acme", w.window("db", 70*time.Second, "scheduled"), w.window("db", 0, "active"))
		w.Expect(w.pass(time.Second)).To(Equal([]string{"acme db of 0s active"}))
		w.plans("acme", w.window("db", 70*time.Second, "scheduled"))
		w.Expect(w.pass(10 * time.Second)).To(Equal([]string{"acme db of 0s ended", "acme db of 1m10s scheduled"}))
	})
}

func TestMaintenanceGoesWithItsAPI(t *testing.T) {
	during(t, func(w *world) {
		w.plans("beta", w.window("db", 0, "active"))
		w.Expect(w.pass(time.Second)).To(Equal([]string{"beta db of 0s active"}))
		w.polls("acme")
		w.Expect(w.pass(time.Second)).To(Equal([]string{"beta db of 0s ended"}))
		w.Expect(w.Windows("beta")).To(BeEmpty())
	})
}
