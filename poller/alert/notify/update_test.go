package notify

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
)

func TestReceiversCanBeReplacedWhileMessagesWait(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		out := newOutbox(message("hook", "east", 1, alert.MessageFiring, time.Now()), message("other", "east", 1, alert.MessageFiring, time.Now()))
		var hosts sync.Map
		s := running(t, Options{Receivers: []Receiver{webhook("hook", "https://wrong.example")}, Outbox: out, Transport: answers(func(r *http.Request) (*http.Response, error) {
			hosts.Store(r.URL.Host, true)
			if r.URL.Host == "wrong.example" {
				return answer(404), nil
			}
			return answer(200), nil
		})})
		time.Sleep(20 * time.Minute)
		g.Expect(out.told()).To(BeEmpty())
		g.Expect(s.Update([]Receiver{webhook("hook", "not a URL")})).To(MatchError("receiver hook: its address must be an http:// or https:// URL with a host"))
		g.Expect(s.Update([]Receiver{webhook("hook", "https://right.example"), webhook("other", "https://other.example")})).To(Succeed())
		synctest.Wait()
		g.Expect(out.told()).To(ConsistOf("east-hook-1", "east-other-1"), "at once, not when the next try is due")
		g.Expect(s.Update(nil)).To(Succeed())
		synctest.Wait()
		g.Expect(s.Status()).To(BeEmpty())
	})
}

func TestAReceiverThatIsReplacedDoesNotHearAMessageTwice(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		out, hook := newOutbox(message("hook", "east", 1, alert.MessageFiring, time.Now())), &receiver{}
		hook.reply = func(string, int) (*http.Response, error) {
			time.Sleep(3 * time.Second)
			return answer(200), nil
		}
		s := running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example/a")}, Outbox: out, Transport: hook})
		time.Sleep(time.Second)
		g.Expect(s.Update([]Receiver{webhook("hook", "https://hook.example/b")})).To(Succeed())
		time.Sleep(time.Minute)
		out.rouse()
		time.Sleep(time.Minute)
		g.Expect(hook.asked()).To(HaveLen(1))
	})
}

func TestAMessageForNobodyIsGivenUpAfterADay(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		out := newOutbox(message("gone", "east", 1, alert.MessageFiring, time.Now()))
		running(t, Options{Outbox: out})
		time.Sleep(23 * time.Hour)
		g.Expect(out.lost()).To(BeEmpty(), "the settings may be on their way")
		time.Sleep(2 * time.Hour)
		g.Expect(out.lost()).To(HaveKeyWithValue("east-gone-1", "no receiver of this name is in the settings"))
	})
}
