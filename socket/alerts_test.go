package socket

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/devops-insights/devops-insights/socket/engineio"
	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/socket/socketio/client"
	"github.com/devops-insights/devops-insights/store/live"
)

// alertServer is a server whose alerts the spec decides.
type alertServer struct {
	*Hub
	url       string
	published atomic.Int64 // to other instances

	mu              sync.Mutex
	alerts, windows []Notice
}

func startAlerts(change ...func(*Options)) *alertServer {
	GinkgoHelper()
	a := new(alertServer)
	srv := socketio.NewServer(socketio.Options{NewAdapter: func(*socketio.Namespace) socketio.Adapter { return others{&a.published} }})
	log, _ := test.NewNullLogger()
	view := live.New(live.Options{Catalog: six, Feed: fixed{}, History: fixed{}, Audience: NewAudience(srv.Of("/"), time.Now), Logger: log})
	all := func(of *[]Notice) func(string) []Notice {
		return func(api string) []Notice {
			a.mu.Lock()
			defer a.mu.Unlock()
			if api != "acme" {
				return nil
			}
			return *of
		}
	}
	o := Options{Catalog: six, View: view, History: fixed{}, Logger: log, Alerts: all(&a.alerts), Maintenance: all(&a.windows)}
	for _, f := range change {
		f(&o)
	}
	a.Hub = NewHub(srv.Of("/"), o)
	srv.Of("/").On("sync", func(s *socketio.Socket, _ socketio.Args, _ socketio.Ack) { _ = s.Emit("synced") })
	web := httptest.NewServer(srv)
	a.url = web.URL
	DeferCleanup(func(ctx SpecContext) {
		Expect(srv.Close(ctx)).To(Succeed())
		web.Close()
	})
	return a
}

// others are other instances behind the same Redis.
type others struct{ published *atomic.Int64 }

func (o others) Publish(socketio.Command) error { o.published.Add(1); return nil }

func (o others) Ask(context.Context, socketio.Command, func(socketio.Answer)) error { return nil }

func (o others) Close() error { return nil }

// have lets these be the alerts and the maintenance.
func (a *alertServer) have(alerts, windows []Notice) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.alerts, a.windows = alerts, windows
}

// notice is one about regions; its text holds its id and what is said of it.
func notice(id, said string, sources ...string) Notice {
	return Notice{API: "acme", ID: id, Sources: sources, Data: fmt.Appendf(nil, `{"id":%q,"said":%q}`, id, said)}
}

// listener is a dashboard that hears.
type listener struct {
	*client.Socket
	heard chan string // event and payload
}

func (a *alertServer) connect(ctx context.Context) listener {
	GinkgoHelper()
	c, err := client.New(a.url, client.Options{ReconnectAttempts: -1, Engine: engine.Options{Transports: []string{engineio.Websocket}}})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) { Expect(c.Close(ctx)).To(Succeed()) })
	l := listener{c.Of("/"), make(chan string, 100_000)}
	l.OnAny(func(event string, args socketio.Args) {
		l.heard <- strings.TrimSpace(event + " " + string(args.Raw(0)))
	})
	Expect(l.Connect(ctx)).To(Succeed())
	return l
}

// hears returns what the dashboard has heard since it was asked last.
func (l listener) hears(ctx context.Context) (all []string) {
	GinkgoHelper()
	Expect(l.Emit("sync")).To(Succeed())
	for {
		var one string
		Eventually(ctx, l.heard, "15s").Should(Receive(&one))
		if one == "synced" {
			return all
		}
		all = append(all, one)
	}
}

// asks is a question with its answer.
func (l listener) asks(ctx context.Context, question string) string {
	GinkgoHelper()
	Expect(l.Emit(EventGetAlerts, json.RawMessage(question))).To(Succeed())
	heard := l.hears(ctx)
	Expect(heard).To(HaveLen(1))
	return heard[0]
}

var _ = Describe("alerts for dashboards", func() {
	var (
		a  *alertServer
		at = time.Date(2026, 12, 1, 16, 0, 0, 0, time.UTC)
	)
	const limit = NodeTimeout(60 * time.Second)
	BeforeEach(func() { a = startAlerts(func(o *Options) { o.Now = func() time.Time { return at } }) })
	const stamp = `,"timestamp":"2026-12-01T16:00:00.000Z"}`

	It("are answered with what is planned, for an API or one of its regions", func(ctx SpecContext) {
		d := a.connect(ctx)
		Expect(d.asks(ctx, `{}`)).To(Equal(`metrics:alerts {"api":"acme","alerts":[],"maintenance":[]` + stamp))
		at = at.Add(time.Hour) // nothing was sent, but the answer is old
		a.have([]Notice{notice("1", "a", "eu-west"), notice("2", "b"), notice("3", "c", "us-east")}, []Notice{notice("w", "x", "us-east", "us-west"), notice("v", "y")})
		late := strings.Replace(stamp, "16", "17", 1)
		Expect(d.asks(ctx, `{"api":"ACME"}`)).To(Equal(`metrics:alerts {"api":"acme","alerts":[{"id":"1","said":"a"},{"id":"2","said":"b"},{"id":"3","said":"c"}],` +
			`"maintenance":[{"id":"w","said":"x"},{"id":"v","said":"y"}]` + late))
		Expect(d.asks(ctx, `{"source":"EU-west"}`)).To(Equal(`metrics:alerts {"api":"acme","source":"eu-west","alerts":[{"id":"1","said":"a"},{"id":"2","said":"b"}],` +
			`"maintenance":[{"id":"v","said":"y"}]` + late))
	}, limit)

	It("are heard by those who have asked, until they ask for no more", func(ctx SpecContext) {
		d, other := a.connect(ctx), a.connect(ctx)
		for _, event := range []string{EventSubscribe, EventGet, EventGetHistory, EventUnsubscribe} {
			for _, source := range []string{"eu-west", "us-east"} {
				Expect(other.Emit(event, map[string]string{"source": source})).To(Succeed())
			}
		}
		other.hears(ctx) // its answers
		d.asks(ctx, `{}`)
		Expect(a.SendAlert(notice("1", "fires", "eu-west"))).To(Succeed())
		Expect(a.SendMaintenance(notice("w", "begins"))).To(Succeed())
		Expect(d.hears(ctx)).To(Equal([]string{
			`metrics:alert {"api":"acme","alert":{"id":"1","said":"fires"}}`, `metrics:maintenance {"api":"acme","maintenance":{"id":"w","said":"begins"}}`,
		}))
		Expect(a.published.Load()).To(BeZero(), "every instance tells its own dashboards")
		d.asks(ctx, `{"subscribe":false}`)
		Expect(a.SendAlert(notice("1", "is over"))).To(Succeed())
		Expect(d.hears(ctx)).To(BeEmpty())
		Expect(other.hears(ctx)).To(BeEmpty(), "who never asks hears nothing of it")
	}, limit)

	It("are not heard by who asks without subscribing", func(ctx SpecContext) {
		d := a.connect(ctx)
		d.asks(ctx, `{"subscribe":false}`)
		Expect(a.SendAlert(notice("1", "fires"))).To(Succeed())
		Expect(d.hears(ctx)).To(BeEmpty())
	}, limit)

	It("are heard of a region, with those that are about all of them, and once", func(ctx SpecContext) {
		d, both := a.connect(ctx), a.connect(ctx)
		d.asks(ctx, `{"source":"eu-west"}`)
		both.asks(ctx, `{"source":"eu-west"}`)
		both.asks(ctx, `{}`)
		for _, n := range []Notice{notice("1", "", "us-east"), notice("2", "", "us-west", "eu-west"), notice("3", "")} {
			Expect(a.SendAlert(n)).To(Succeed())
		}
		one := func(id string) string { return `metrics:alert {"api":"acme","alert":{"id":"` + id + `","said":""}}` }
		Expect(d.hears(ctx)).To(Equal([]string{one("2"), one("3")}))
		Expect(both.hears(ctx)).To(Equal([]string{one("1"), one("2"), one("3")}))
		both.asks(ctx, `{"subscribe":false}`)
		Expect(a.SendAlert(notice("1", "", "us-east"))).To(Succeed())
		Expect(a.SendAlert(notice("2", "", "eu-west"))).To(Succeed())
		Expect(both.hears(ctx)).To(Equal([]string{one("2")}), "of its region it still hears")
	}, limit)

	DescribeTable("are refused in a sentence", func(ctx SpecContext, question, sentence string) {
		Expect(a.connect(ctx).asks(ctx, question)).To(And(HavePrefix(`metrics:error {"message":"`+sentence), ContainSubstring(`"requestId":`)))
	},
		Entry("of an API that there is not", limit, `{"api":"mars"}`, `Invalid api","allowed":["acme"]`),
		Entry("of a region that there is not", limit, `{"source":"mars"}`, `Invalid source","allowed":["us-east",`),
		Entry("of a region that is no text", limit, `{"source":["us-east"]}`, `Invalid source`),
		Entry("with a word for true", limit, `{"subscribe":"yes"}`, `The parameter \"subscribe\" is \"\\\"yes\\\"\": allowed are true and false`),
		Entry("with a number for false", limit, `{"subscribe":0}`, `The parameter \"subscribe\" is \"0\": allowed are true and false`),
	)

	DescribeTable("are asked for with anything else as JavaScript would read it", func(ctx SpecContext, question string) {
		Expect(a.connect(ctx).asks(ctx, question)).To(HavePrefix(`metrics:alerts {"api":"acme","alerts":[]`))
	},
		Entry("null", limit, `null`), Entry("a number", limit, `5`), Entry("a list", limit, `[1]`), Entry("a text", limit, `"x"`),
		Entry("nulls", limit, `{"api":null,"source":null,"subscribe":null}`), Entry("more", limit, `{"more":{"deep":[1]}}`),
	)

	It("are refused where the server watches for none", func(ctx SpecContext) {
		a := startAlerts(func(o *Options) { o.Alerts = nil })
		d := a.connect(ctx)
		Expect(d.asks(ctx, `{}`)).To(HavePrefix(`metrics:error {"message":"This server watches for no alerts"`))
		Expect(a.SendAlert(notice("1", ""))).To(Succeed())
		Expect(d.hears(ctx)).To(BeEmpty())
	}, limit)

	It("are answered without maintenance where none can be planned", func(ctx SpecContext) {
		a := startAlerts(func(o *Options) { o.Maintenance = nil })
		Expect(a.connect(ctx).asks(ctx, `{}`)).To(ContainSubstring(`"maintenance":[]`))
	}, limit)

	It("are bounded: the most urgent ones come, and how many were left out", func(ctx SpecContext) {
		long := strings.Repeat("x", 100<<10)
		var alerts, windows []Notice
		for i := range 30 {
			alerts = append(alerts, notice(fmt.Sprint("a", i), long))
			windows = append(windows, notice(fmt.Sprint("w", i), long))
		}
		a.have(alerts, windows)
		answer := a.connect(ctx).asks(ctx, `{}`)
		Expect(len(answer)).To(BeNumerically("<", alertsMost+windowsMost+1000))
		var payload struct {
			Alerts, Maintenance []struct{ ID string }
			Omitted             int
		}
		Expect(json.Unmarshal([]byte(strings.TrimPrefix(answer, "metrics:alerts ")), &payload)).To(Succeed())
		Expect(len(payload.Alerts)).To(Equal(10))
		Expect(payload.Alerts[0].ID).To(Equal("a0"))
		Expect(len(payload.Maintenance)).To(Equal(2))
		Expect(payload.Omitted).To(Equal(48))
	}, limit)

	It("hold any text", func(ctx SpecContext) {
		text := `{"s":"<b>\u0000\ud83d\ude00 😀 \u2028"}`
		d := a.connect(ctx)
		a.have([]Notice{{API: "acme", ID: "1", Data: json.RawMessage(text)}}, nil)
		Expect(d.asks(ctx, `{}`)).To(ContainSubstring(`"alerts":[` + text + `]`))
		Expect(a.SendAlert(Notice{API: "acme", ID: "1", Data: json.RawMessage("{\"s\":\"\xff\"}")})).To(Succeed())
		Expect(d.hears(ctx)).To(Equal([]string{`metrics:alert {"api":"acme","alert":{"s":"` + "\ufffd" + `"}}`}))
	}, limit)

	It("never go back: what a dashboard hears is in order, whenever it asks", func(ctx SpecContext) {
		var version atomic.Int64
		state := func() Notice {
			return Notice{API: "acme", ID: "1", Data: fmt.Appendf(nil, `{"n":%d}`, version.Load())}
		}
		a := startAlerts(func(o *Options) { o.Alerts = func(string) []Notice { return []Notice{state()} } })
		dashboards := []listener{a.connect(ctx), a.connect(ctx), a.connect(ctx)}
		const changes, every = 2000, 20
		for i := range changes {
			version.Add(1)
			Expect(a.SendAlert(state())).To(Succeed())
			if i%every == 0 {
				for _, d := range dashboards {
					Expect(d.Emit(EventGetAlerts, json.RawMessage(`{}`))).To(Succeed())
				}
			}
		}
		for _, d := range dashboards {
			last, answers := int64(0), 0
			for _, line := range d.hears(ctx) {
				event, text, _ := strings.Cut(line, " ")
				var payload struct {
					Alert  struct{ N int64 }
					Alerts []struct{ N int64 }
				}
				Expect(json.Unmarshal([]byte(text), &payload)).To(Succeed())
				n := payload.Alert.N
				if event == EventAlerts {
					n = payload.Alerts[0].N
					answers++
				}
				Expect(n).To(BeNumerically(">=", last), "%s after %d", line, last)
				last = n
			}
			Expect(answers).To(Equal(changes / every))
			Expect(last).To(BeEquivalentTo(changes))
		}
	}, limit)

	It("keep few answers, however many are asked for", func(ctx SpecContext) {
		d := a.connect(ctx)
		for range 4 {
			for _, source := range six()[0].Sources() {
				d.asks(ctx, `{"source":"`+source+`"}`)
			}
			d.asks(ctx, `{}`)
		}
		a.alerting.mu.Lock()
		Expect(a.alerting.answers).To(HaveLen(7))
		a.alerting.mu.Unlock()
		Expect(a.SendAlert(notice("1", ""))).To(Succeed())
		Expect(a.alerting.answers).To(BeEmpty(), "and none that is not right any more")
	}, limit)
})
