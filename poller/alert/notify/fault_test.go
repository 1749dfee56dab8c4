package notify

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
)

func TestAFaultInTheProgramIsTheFailureOfOneMessage(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		east, west := message("hook", "east", 1, alert.MessageFiring, time.Now()), message("hook", "west", 1, alert.MessageFiring, time.Now())
		hook := &receiver{reply: func(key string, _ int) (*http.Response, error) {
			if key == east.Key {
				panic("a message that nobody thought of")
			}
			return answer(204), nil
		}}
		var faults []string
		out := newOutbox(east, west)
		running(t, Options{
			Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Transport: hook,
			Fault: func(part string, fault any) {
				out.mu.Lock()
				defer out.mu.Unlock()
				faults = append(faults, fmt.Sprint(part, ": ", fault))
			},
		})
		time.Sleep(2 * time.Hour)
		out.mu.Lock()
		defer out.mu.Unlock()
		g.Expect(faults).To(HaveEach("receiver hook: a message that nobody thought of"))
		g.Expect(out.delivered).To(Equal([]string{west.Key}))
		g.Expect(out.gaveUp).To(HaveKeyWithValue(east.Key, ContainSubstring("fault in the program")))
	})
}
