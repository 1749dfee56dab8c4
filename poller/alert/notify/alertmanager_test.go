package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// firing is a Firing in memory.
type firing struct {
	mu     sync.Mutex
	alerts map[string][]alert.Alert
}

func (f *firing) Firing(receiver string) []alert.Alert {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.alerts[receiver])
}

func (f *firing) set(receiver string, messages ...alert.Message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alerts = map[string][]alert.Alert{}
	for _, m := range messages {
		f.alerts[receiver] = append(f.alerts[receiver], m.Alert)
	}
}

// posted is what a receiver of the type Alertmanager was told, request by request.
type posted struct {
	mu       sync.Mutex
	requests [][]postable
	paths    []string
	bodies   [][]byte
	status   func([]postable) int
}

func (p *posted) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var alerts []postable
	if err := json.Unmarshal(body, &alerts); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.paths, p.bodies = append(p.requests, alerts), append(p.paths, r.URL.Path), append(p.bodies, body)
	if p.status != nil {
		return answer(p.status(alerts)), nil
	}
	return answer(200), nil
}

// take returns the requests since the last call, each as the regions with + for
// firing and - for resolved.
func (p *posted) take() (told []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, alerts := range p.requests {
		line := ""
		for _, a := range alerts {
			sign := "-"
			if a.EndsAt.After(a.StartsAt) {
				sign = "+"
			}
			line += sign + a.Labels["region"]
		}
		told = append(told, line)
	}
	p.requests = nil
	return told
}

func alertmanager(url string) Receiver { return Receiver{Name: "am", Type: Alertmanager, URL: url} }

func TestAnAlertmanagerIsToldEachMinuteWhatFiresAndAFewTimesWhatIsOver(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		am, fires := new(posted), new(firing)
		east := message("am", "east", 1, alert.MessageFiring, time.Now())
		out := newOutbox(east)
		running(t, Options{Receivers: []Receiver{alertmanager("https://am.example/prefix/")}, Outbox: out, Firing: fires, Transport: am})
		fires.set("am", east)
		synctest.Wait()
		g.Expect(am.take()[0]).To(Equal("+east"))
		g.Expect(out.told()).To(Equal([]string{"east-am-1"}))
		out.commit()
		time.Sleep(2*time.Minute + time.Second)
		g.Expect(am.take()).To(ContainElements("+east", "+east"))
		fires.set("am")
		out.put(message("am", "east", 2, alert.MessageResolved, time.Now()))
		synctest.Wait()
		g.Expect(am.take()).To(Equal([]string{"-east"}))
		time.Sleep(10 * time.Minute)
		g.Expect(am.take()).To(Equal([]string{"-east", "-east", "-east"}))
		g.Expect(am.paths[0]).To(Equal("/prefix/api/v2/alerts"))
	})
}

func TestAnAlertmanagerIsNotToldThatAnAlertIsOverWhichFiresAgain(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		am, fires := new(posted), new(firing)
		out := newOutbox(message("am", "east", 1, alert.MessageResolved, time.Now()))
		running(t, Options{Receivers: []Receiver{alertmanager("https://am.example")}, Outbox: out, Firing: fires, Transport: am})
		synctest.Wait()
		out.commit()
		am.take()
		again := message("am", "east", 2, alert.MessageFiring, time.Now())
		fires.set("am", again)
		out.put(again)
		time.Sleep(5 * time.Minute)
		g.Expect(am.take()).To(HaveEach("+east"))
	})
}

func TestANewSenderTellsAnAlertmanagerAtOnceWhatFires(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		am, fires := new(posted), new(firing)
		fires.set("am", message("am", "east", 1, alert.MessageFiring, time.Now()), message("am", "west", 1, alert.MessageFiring, time.Now()))
		running(t, Options{Receivers: []Receiver{alertmanager("https://am.example")}, Outbox: newOutbox(), Firing: fires, Transport: am})
		synctest.Wait()
		g.Expect(am.take()).To(Equal([]string{"+east+west"}))
	})
}

func TestAnAlertmanagerGetsManyMessagesAtOnceButThoseOfOneAlertInTheirOrder(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		am := new(posted)
		now := time.Now()
		out := newOutbox(message("am", "east", 1, alert.MessageFiring, now), message("am", "west", 1, alert.MessageFiring, now), message("am", "east", 2, alert.MessageResolved, now))
		running(t, Options{Receivers: []Receiver{alertmanager("https://am.example")}, Outbox: out, Transport: am})
		synctest.Wait()
		g.Expect(am.take()[:2]).To(Equal([]string{"+east+west", "-east"}))
		g.Expect(out.told()).To(Equal([]string{"east-am-1", "west-am-1", "east-am-2"}))
	})
}

func TestAnAlertThatAnAlertmanagerDoesNotTakeKeepsNoOtherWaiting(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		am := &posted{status: func(alerts []postable) int {
			if slices.ContainsFunc(alerts, func(a postable) bool { return a.Labels["region"] == "bad" }) {
				return 400
			}
			return 200
		}}
		out := newOutbox()
		for _, region := range []string{"east", "bad", "west"} {
			out.pending = append(out.pending, message("am", region, 1, alert.MessageFiring, time.Now()))
		}
		running(t, Options{Receivers: []Receiver{alertmanager("https://am.example")}, Outbox: out, Transport: am})
		synctest.Wait()
		g.Expect(out.told()).To(ConsistOf("east-am-1", "west-am-1"))
		time.Sleep(2 * time.Hour)
		g.Expect(out.lost()).To(HaveKey("bad-am-1"))
	})
}

func TestAnAlertmanagerThatWasAwayHearsWithinAMinuteOfItsReturnWhatFires(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		began := time.Now()
		am, fires := new(posted), new(firing)
		am.status = func([]postable) int {
			if time.Since(began) < time.Hour {
				return 503
			}
			return 200
		}
		fires.set("am", message("am", "east", 1, alert.MessageFiring, began))
		s := running(t, Options{Receivers: []Receiver{alertmanager("https://am.example")}, Outbox: newOutbox(), Firing: fires, Transport: am})
		time.Sleep(time.Hour - time.Second)
		g.Expect(s.Status()[0].FailingSince).To(BeTemporally("==", began))
		am.take()
		time.Sleep(time.Minute + 2*time.Second)
		g.Expect(am.take()).NotTo(BeEmpty())
		g.Expect(s.Status()[0].FailingSince).To(BeZero())
	})
}

func TestANewSenderTellsAnAlertmanagerWhatFiresAsSoonAsThatIsKnown(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		am, fires := new(posted), new(firing)
		running(t, Options{Receivers: []Receiver{alertmanager("https://am.example")}, Outbox: newOutbox(), Firing: fires, Transport: am})
		time.Sleep(2*time.Second + time.Millisecond)
		g.Expect(am.take()).To(BeEmpty())
		fires.set("am", message("am", "east", 1, alert.MessageFiring, time.Now()))
		time.Sleep(time.Second)
		g.Expect(am.take()).To(Equal([]string{"+east"}))
		time.Sleep(59 * time.Second)
		g.Expect(am.take()).To(BeEmpty())
	})
}

func TestALotOfAlertsIsToldInParts(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		am, fires := new(posted), new(firing)
		var all []alert.Message
		for i := range 1200 {
			m := message("am", "east", 1, alert.MessageFiring, time.Now())
			m.Alert.ID = fmt.Sprintf("%016x", i)
			all = append(all, m)
		}
		fires.set("am", all...)
		running(t, Options{Receivers: []Receiver{alertmanager("https://am.example")}, Outbox: newOutbox(), Firing: fires, Transport: am})
		synctest.Wait()
		g.Expect(am.requests).To(HaveLen(3))
		g.Expect(am.requests[2]).To(HaveLen(200))
	})
}

var _ = Describe("what an Alertmanager is told", func() {
	It("is what its API takes, of every message", func() {
		check := schemaOf("alertmanager")
		for _, m := range situations("am") {
			body, err := json.Marshal([]postable{toAlertmanager(m.Alert, holdsUntil(m, time.Now()), "https://insights.example")})
			Expect(err).NotTo(HaveOccurred())
			Expect(check(body)).To(Succeed(), string(body))
		}
	})
})
