package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/observed"
)

func TestMetrics(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Metrics")
}

// apis is a catalog of the apis with these regions.
func apis(of ...string) (c store.Catalog) {
	for _, one := range of {
		name, regions, _ := strings.Cut(one, ":")
		a := store.API{Name: name}
		for r := range strings.SplitSeq(regions, ",") {
			a.Regions = append(a.Regions, store.Region{Name: r})
		}
		c = append(c, a)
	}
	return c
}

var _ = Describe("metrics", func() {
	var (
		m       *Metrics
		catalog store.Catalog
		figures Figures
		trace   string
		now     time.Time
		start   = time.Now()
	)
	BeforeEach(func() {
		catalog, figures, trace, now = apis("acme:us-east,eu-west"), Figures{}, "", start
		m = New(Options{
			Version: "1", Catalog: func() store.Catalog { return catalog }, Read: func() Figures { return figures },
			TraceID: func(store.Change) string { return trace }, Now: func() time.Time { return now },
		})
	})
	// series returns the metric with these labels, written as name="value".
	series := func(name string, labels ...string) *dto.Metric {
		GinkgoHelper()
		all, err := m.Gather()
		Expect(err).NotTo(HaveOccurred())
		for _, f := range all {
			if f.GetName() != "devops_insights_"+name {
				continue
			}
		next:
			for _, one := range f.GetMetric() {
				for _, want := range labels {
					found := false
					for _, l := range one.GetLabel() {
						found = found || fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()) == want
					}
					if !found {
						continue next
					}
				}
				return one
			}
		}
		return nil
	}
	counted := func(name string, labels ...string) float64 {
		GinkgoHelper()
		one := series(name, labels...)
		Expect(one).NotTo(BeNil(), name)
		return one.GetCounter().GetValue() + one.GetGauge().GetValue() + float64(one.GetHistogram().GetSampleCount())
	}
	change := func(at time.Time) store.Change {
		return store.Change{Metric: store.Metric{API: "acme", Source: "eu-west", UpdatedAt: store.Milliseconds(at)}}
	}

	It("count polls by what they brought", func() {
		poll := func(changed bool, e *poller.Error) {
			m.Polled(poller.Result{API: "acme", Source: "eu-west", Began: start, Ended: start.Add(time.Second), Changed: changed, Err: e})
		}
		poll(true, nil)
		poll(false, nil)
		poll(false, &poller.Error{Code: poller.CodeTimeout})
		poll(false, &poller.Error{Code: poller.CodeHTTP(503), HTTPStatus: 503})
		poll(false, &poller.Error{Code: poller.CodeHTTP(404), HTTPStatus: 404})
		poll(false, &poller.Error{Code: poller.CodeNotJSON, HTTPStatus: 200})
		poll(false, &poller.Error{Code: "NEW"})
		poll(false, &poller.Error{Code: poller.CodeTimeout, NotAsked: true})
		for result, n := range map[string]float64{"changed": 1, "unchanged": 1, "TIMEOUT": 2, "HTTP_5XX": 1, "HTTP_4XX": 1, "NOT_JSON": 1, "OTHER": 1, "DNS": 0} {
			Expect(counted("polls_total", `region="eu-west"`, fmt.Sprintf("result=%q", result))).To(Equal(n), result)
		}
		Expect(counted("poll_seconds", `region="eu-west"`)).To(BeEquivalentTo(7), "nobody was asked once")
		Expect(counted("poll_last_success_timestamp_seconds", `region="eu-west"`)).To(BeNumerically("~", start.Add(time.Second).Unix(), 1))
		Expect(counted("poll_last_success_timestamp_seconds", `region="us-east"`)).To(BeZero())
	})

	It("follow the regions of the settings", func() {
		catalog = apis("acme:us-east", "beta:us-east,moon")
		Expect(counted("polls_total", `region="beta:moon"`, `result="changed"`)).To(BeZero())
		Expect(series("polls_total", `region="eu-west"`)).To(BeNil(), "it is not polled any more")
		m.Polled(poller.Result{API: "beta", Source: "moon", Began: start, Ended: start})
		m.Polled(poller.Result{API: "acme", Source: "eu-west", Began: start, Ended: start})
		m.Sending(change(start), true)(nil)
		Expect(counted("polls_total", `region="beta:moon"`, `result="unchanged"`)).To(BeEquivalentTo(1))
		Expect(series("polls_total", `region="eu-west"`)).To(BeNil(), "nor by the last poll of it")
		catalog = apis("beta:us-east,moon", "acme:us-east")
		Expect(counted("polls_total", `region="acme:us-east"`, `result="changed"`)).To(BeZero(), "the first api is another one")
		Expect(series("polls_total", `region="beta:moon"`)).To(BeNil())
		Expect(counted("polls_total", `region="moon"`, `result="changed"`)).To(BeZero())
	})

	It("know a region that was added before anybody scraped", func() {
		catalog = apis("acme:us-east,eu-west,moon")
		m.Polled(poller.Result{API: "acme", Source: "moon", Began: start, Ended: start})
		Expect(counted("polls_total", `region="moon"`, `result="unchanged"`)).To(BeEquivalentTo(1))
	})

	Context("of the way to the dashboards", func() {
		way := func() *dto.Histogram { return series("poll_to_write_seconds").GetHistogram() }

		It("count from the answer by the monotonic clock, whatever the wall clock does", func() {
			m.Answered(poller.Result{API: "acme", Source: "eu-west", Ended: start})
			now = start.Add(20 * time.Millisecond)
			m.Written(change(start))
			Expect(way().GetSampleSum()).To(BeNumerically("~", 0.02, 1e-6))
		})

		It("count from the time stamp of a value that another instance has polled, and never less than nothing", func() {
			now = start.Add(50 * time.Millisecond)
			m.Written(change(start))
			Expect(way().GetSampleSum()).To(BeNumerically("~", 0.05, 2e-3))
			m.Written(change(start.Add(time.Hour)))
			Expect(way().GetSampleSum()).To(BeNumerically("~", 0.05, 2e-3))
			Expect(way().GetSampleCount()).To(BeEquivalentTo(2))
		})

		It("leave out what was found in the store", func() {
			c := change(start)
			c.Snapshot = true
			m.Sending(c, true)(nil)
			m.Written(c)
			Expect(way().GetSampleCount()).To(BeZero())
			Expect(counted("changes_total", `region="eu-west"`)).To(BeZero())
			Expect(counted("broadcast_seconds")).To(BeEquivalentTo(1))
		})

		It("name the trace, where there is one, in OpenMetrics", func() {
			trace = "0af7651916cd43dd8448eb211c80319c"
			m.Written(change(start))
			m.Skipped(change(start))
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, Path, http.NoBody)
			r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
			m.Handler(logrus.New()).ServeHTTP(w, r)
			Expect(w.Body.String()).To(MatchRegexp(`devops_insights_poll_to_write_seconds_bucket\{le="[^"]+"\} 1 # \{trace_id="` + trace + `"\}`))
			Expect(counted("updates_coalesced_total", `region="eu-west"`)).To(BeEquivalentTo(1))
		})
	})

	It("count the errors of the store by class, and leave out what is none", func() {
		failing := func(err error) {
			_, ended := m.Began(context.Background(), observed.Save, "acme", "eu-west")
			ended(err)
		}
		for _, err := range []error{nil, context.Canceled, store.ErrConflict, store.ErrFenced, store.ErrClosed} {
			failing(err)
		}
		failing(fmt.Errorf("cannot write: %w", syscall.ENOSPC))
		failing(context.DeadlineExceeded)
		failing(fmt.Errorf("too large: %w", store.ErrRefused))
		failing(errors.New("anything"))
		for class, n := range map[string]float64{"DISK_FULL": 1, "TIMEOUT": 1, "VALUE_REFUSED": 1, "OTHER": 1, "DAMAGED": 0} {
			Expect(counted("store_errors_total", `op="save"`, fmt.Sprintf("class=%q", class))).To(Equal(n), class)
		}
		Expect(counted("store_seconds", `op="save"`)).To(BeEquivalentTo(9))
	})

	It("count the lines of the log", func() {
		log := logrus.New()
		log.SetOutput(io.Discard)
		log.AddHook(m.LogHook())
		log.Warn("a")
		log.Warn("b")
		log.Debug("not shown")
		Expect(counted("log_lines_total", `level="warning"`)).To(BeEquivalentTo(2))
		Expect(counted("log_lines_total", `level="debug"`)).To(BeZero())
	})

	It("count alerts by state and severity", func() {
		one := func(state alert.State, severity alert.Severity) {
			figures.Alerts = append(figures.Alerts, alert.Alert{State: state, Severity: severity})
		}
		one(alert.Firing, alert.Critical)
		one(alert.Firing, alert.Critical)
		one(alert.Firing, alert.Warning)
		one(alert.Resolved, alert.Critical)
		one(alert.Firing, "anything")
		for labels, n := range map[[2]string]float64{{"firing", "critical"}: 2, {"firing", "warning"}: 1, {"resolved", "critical"}: 1, {"pending", "info"}: 0} {
			Expect(counted("alerts", fmt.Sprintf("state=%q", labels[0]), fmt.Sprintf("severity=%q", labels[1]))).To(Equal(n), "%v", labels)
		}
		Expect(series("alerts", `severity="anything"`)).To(BeNil(), "labels are bounded")
	})

	It("count the messages to the receivers of the settings", func() {
		figures.Receivers = []ReceiverFigures{{Name: "ops", Oldest: 90 * time.Second}, {Name: "chat"}, {Name: "ops"}}
		Expect(counted("notifications_total", `receiver="ops"`, `result="given_up"`)).To(BeZero(), "from the start")
		m.Notified("ops", NotificationSent)
		m.Notified("ops", NotificationSent)
		m.Notified("ops", NotificationFailed)
		m.Notified("gone", NotificationSent)
		Expect(counted("notifications_total", `receiver="ops"`, `result="sent"`)).To(BeEquivalentTo(2))
		Expect(counted("notifications_total", `receiver="ops"`, `result="failed"`)).To(BeEquivalentTo(1))
		Expect(counted("notifications_total", `receiver="chat"`, `result="sent"`)).To(BeZero())
		Expect(series("notifications_total", `receiver="gone"`)).To(BeNil(), "it is not in the settings")
		Expect(counted("notification_oldest_pending_seconds", `receiver="ops"`)).To(BeEquivalentTo(90))
		Expect(counted("notification_oldest_pending_seconds", `receiver="chat"`)).To(BeZero())
		figures.Receivers = nil
		Expect(series("notifications_total")).To(BeNil(), "a reload took them away")
	})

	It("show health as a number", func() {
		figures.Parts = []health.Part{{Name: "a", State: health.OK}, {Name: "b", State: health.Degraded}, {Name: "c", State: health.Unknown}, {Name: "d", State: health.Down}}
		for part, value := range map[string]float64{"a": 2, "b": 1, "c": 1, "d": 0} {
			Expect(counted("health", fmt.Sprintf("part=%q", part))).To(Equal(value))
		}
	})

	It("say whether the settings were taken", func() {
		Expect(counted("config_last_reload_successful")).To(BeEquivalentTo(1))
		m.SetReloadSuccessful(false)
		Expect(counted("config_last_reload_successful")).To(BeZero())
		m.SetReloadTime(time.Unix(1000, 0))
		Expect(counted("config_last_reload_success_timestamp_seconds")).To(BeEquivalentTo(1000))
	})

	It("are read and never changed", func() {
		for _, method := range []string{http.MethodPost, http.MethodDelete} {
			w := httptest.NewRecorder()
			m.Handler(logrus.New()).ServeHTTP(w, httptest.NewRequest(method, Path, http.NoBody))
			Expect(w.Code).To(Equal(http.StatusMethodNotAllowed))
		}
	})
})
