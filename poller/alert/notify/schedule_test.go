package notify

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// receiver plays a receiver, and notes when it was asked for what.
type receiver struct {
	mu    sync.Mutex
	keys  []string
	at    []time.Time
	reply func(key string, n int) (*http.Response, error)
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.keys, r.at = append(r.keys, keyOf(req)), append(r.at, time.Now())
	n, reply := len(r.keys), r.reply
	r.mu.Unlock()
	return reply(keyOf(req), n)
}

func (r *receiver) asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.keys)
}

func (r *receiver) times() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.at)
}

func always(status int, header ...string) func(string, int) (*http.Response, error) {
	return func(string, int) (*http.Response, error) { return answer(status, header...), nil }
}

func TestAMessageIsDeliveredOnceThoughTheOutboxHoldsItOnForAWhile(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		out, hook := newOutbox(message("hook", "east", 1, alert.MessageFiring, time.Now())), &receiver{reply: always(204)}
		running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Transport: hook})
		time.Sleep(10 * time.Minute)
		out.rouse()
		synctest.Wait()
		g.Expect(hook.asked()).To(Equal([]string{"east-hook-1"}))
		g.Expect(out.told()).To(Equal([]string{"east-hook-1"}))
		out.commit()
		out.put(message("hook", "west", 1, alert.MessageFiring, time.Now()))
		synctest.Wait()
		g.Expect(hook.asked()).To(Equal([]string{"east-hook-1", "west-hook-1"}))
	})
}

func TestAReceiverThatFailsForAnHourIsTriedEverMoreSeldomAndThenHearsEverythingInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		began := time.Now()
		out := newOutbox(message("hook", "east", 1, alert.MessageFiring, began), message("hook", "east", 2, alert.MessageResolved, began), message("hook", "west", 1, alert.MessageFiring, began))
		hook := &receiver{}
		hook.reply = func(string, int) (*http.Response, error) {
			if time.Since(began) < time.Hour {
				return answer(500), nil
			}
			return answer(200), nil
		}
		s := running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Transport: hook})
		time.Sleep(30 * time.Minute)
		st := s.Status()
		g.Expect(st).To(HaveLen(1))
		g.Expect(st[0].Pending).To(Equal(3))
		g.Expect(st[0].Oldest).To(BeTemporally("==", began.Truncate(time.Millisecond)))
		g.Expect(st[0].FailingSince).To(BeTemporally("==", began))
		g.Expect(st[0].Class).To(Equal("HTTP_500"))
		time.Sleep(40 * time.Minute)
		g.Expect(out.told()).To(ConsistOf("east-hook-1", "east-hook-2", "west-hook-1"))
		g.Expect(slices.Index(out.told(), "east-hook-1")).To(BeNumerically("<", slices.Index(out.told(), "east-hook-2")), "an alert is resolved after it has fired")
		g.Expect(out.lost()).To(BeEmpty())
		g.Expect(len(hook.asked())).To(And(BeNumerically(">", 12), BeNumerically("<", 80)))
		first := hook.times()[1].Sub(hook.times()[0])
		g.Expect(first).To(BeNumerically("<=", 2*time.Second), "the other alert is tried meanwhile")
		g.Expect(s.Status()[0]).To(Equal(Status{Receiver: "hook"}))
	})
}

func TestAMessageIsTriedForADayAndThenGivenUpOnce(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		var results sync.Map
		out, hook := newOutbox(message("hook", "east", 1, alert.MessageFiring, time.Now()), message("hook", "east", 2, alert.MessageResolved, time.Now())), &receiver{}
		hook.reply = func(string, int) (*http.Response, error) { return nil, syscall.ECONNREFUSED }
		running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Transport: hook, Observer: func(name string, r Result) {
			n, _ := results.LoadOrStore(name+" "+string(r), new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
		}})
		time.Sleep(23*time.Hour + 50*time.Minute)
		g.Expect(out.lost()).To(BeEmpty())
		time.Sleep(time.Hour)
		g.Expect(out.lost()).To(HaveLen(2), "the one behind has become too old as well, and is tried once")
		g.Expect(out.lost()["east-hook-1"]).To(Equal("the receiver refused the connection; it was tried for a day"))
		g.Expect(len(hook.asked())).To(And(BeNumerically(">", 24*12), BeNumerically("<", 24*26)))
		n, _ := results.Load("hook given_up")
		g.Expect(n.(*atomic.Int64).Load()).To(BeEquivalentTo(2))
		before := len(hook.asked())
		time.Sleep(time.Hour)
		g.Expect(hook.asked()).To(HaveLen(before))
	})
}

func TestAMessageThatIsOlderThanADayIsTriedOnceAllTheSame(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		out, hook := newOutbox(message("hook", "east", 1, alert.MessageFiring, time.Now().Add(-48*time.Hour))), &receiver{reply: always(200)}
		running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Transport: hook})
		synctest.Wait()
		g.Expect(out.told()).To(Equal([]string{"east-hook-1"}))
	})
}

func TestAMessageThatAReceiverDoesNotWantIsGivenUpAfterAnHour(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		out, hook := newOutbox(message("hook", "east", 1, alert.MessageFiring, time.Now()), message("hook", "west", 1, alert.MessageFiring, time.Now())), &receiver{}
		hook.reply = func(key string, _ int) (*http.Response, error) {
			if strings.HasPrefix(key, "east") {
				return answer(400), nil
			}
			return answer(200), nil
		}
		running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Transport: hook})
		synctest.Wait()
		g.Expect(out.told()).To(Equal([]string{"west-hook-1"}), "it does not keep others waiting")
		time.Sleep(time.Hour - time.Minute)
		g.Expect(out.lost()).To(BeEmpty(), "somebody may mend the settings")
		time.Sleep(10 * time.Minute)
		g.Expect(out.lost()).To(HaveKeyWithValue("east-hook-1", MatchRegexp(`^the receiver answered with status 400; it was tried 2\d times$`)))
	})
}

func TestWhatHTTPSaysMayComeAgainIsTriedForADay(t *testing.T) {
	for _, status := range []int{408, 425, 429, 500, 503} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			bubble(t, func(t *testing.T, g *WithT) {
				out, hook := newOutbox(message("hook", "east", 1, alert.MessageFiring, time.Now())), &receiver{reply: always(status)}
				running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Transport: hook})
				time.Sleep(20 * time.Hour)
				g.Expect(out.lost()).To(BeEmpty())
			})
		})
	}
}

func TestAReceiverIsLeftAloneForAsLongAsItAsksAndNoLongerThanAnHour(t *testing.T) {
	cases := map[string]struct {
		header func(now time.Time) string
		wait   time.Duration
	}{
		"seconds":            {func(time.Time) string { return "90" }, 90 * time.Second},
		"a date":             {func(now time.Time) string { return now.Add(3 * time.Minute).UTC().Format(http.TimeFormat) }, 3 * time.Minute},
		"a year":             {func(time.Time) string { return "31536000" }, time.Hour},
		"more than a number": {func(time.Time) string { return "99999999999999999999999" }, time.Second},
		"nonsense":           {func(time.Time) string { return "soon" }, time.Second},
		"less than nothing":  {func(time.Time) string { return "-5" }, time.Second},
		"a date that is past": {func(now time.Time) string {
			return now.Add(-time.Hour).UTC().Format(http.TimeFormat)
		}, time.Second},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *WithT) {
				out, hook := newOutbox(message("hook", "east", 1, alert.MessageFiring, time.Now()), message("hook", "west", 1, alert.MessageFiring, time.Now())), &receiver{}
				hook.reply = func(_ string, n int) (*http.Response, error) {
					if n == 1 {
						return answer(429, "Retry-After", c.header(time.Now())), nil
					}
					return answer(200), nil
				}
				running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Transport: hook})
				time.Sleep(2 * time.Hour)
				g.Expect(out.told()).To(ConsistOf("east-hook-1", "west-hook-1"))
				if c.wait > time.Second {
					g.Expect(hook.times()[1].Sub(hook.times()[0])).To(BeNumerically("~", c.wait, 2*time.Second), "nothing is sent meanwhile")
				} else {
					g.Expect(hook.times()[2].Sub(hook.times()[0])).To(BeNumerically("<=", 2*time.Second))
				}
			})
		})
	}
}

func TestAReceiverThatDoesNotAnswerIsAskedByOneMessageAMinuteHoweverManyWait(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		out, hook := newOutbox(), &receiver{reply: func(string, int) (*http.Response, error) { return nil, errors.New("no way") }}
		for i := range 50 {
			out.pending = append(out.pending, message("hook", "r"+strconv.Itoa(10+i), 1, alert.MessageFiring, time.Now()))
		}
		running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Transport: hook})
		time.Sleep(30 * time.Minute)
		g.Expect(len(hook.asked())).To(And(BeNumerically(">=", 30), BeNumerically("<=", breakAfter+31)))
		hook.mu.Lock()
		hook.reply = always(200)
		hook.mu.Unlock()
		time.Sleep(time.Minute + time.Second)
		g.Expect(out.told()).To(HaveLen(50), "once it answers again nothing waits any longer")
	})
}

func TestAReceiverThatAsksForPausesIsNotTakenForOneThatDoesNotAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		out, hook := newOutbox(), &receiver{}
		for i := range 8 {
			out.pending = append(out.pending, message("hook", "r"+strconv.Itoa(i), 1, alert.MessageFiring, time.Now()))
		}
		hook.reply = func(_ string, n int) (*http.Response, error) {
			if n <= 2*breakAfter {
				return answer(429, "Retry-After", "1"), nil
			}
			return answer(200), nil
		}
		running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Transport: hook})
		time.Sleep(breakFor / 2)
		g.Expect(out.told()).To(HaveLen(8))
	})
}

func TestTheLogTellsOfAFailureWhenItBeginsChangesLastsAndEnds(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		began := time.Now()
		out, hook, said := newOutbox(message("hook", "east", 1, alert.MessageFiring, began)), &receiver{}, new(lines)
		hook.reply = func(string, int) (*http.Response, error) {
			switch passed := time.Since(began); {
			case passed < 25*time.Minute:
				return answer(500), nil
			case passed < 40*time.Minute:
				return nil, &net.DNSError{Err: "no such host", Name: "hook.example"}
			}
			return answer(200), nil
		}
		running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example/"+secret)}, Outbox: out, Transport: hook, Logger: said.logger()})
		time.Sleep(time.Hour)
		var warnings []string
		for line := range strings.Lines(said.String()) {
			if strings.Contains(line, "level=warning") {
				warnings = append(warnings, line)
			}
		}
		// 9 failures are in the first 25 minutes at least; which of them is the first
		// after ten minutes is chance.
		g.Expect(len(warnings)).To(And(BeNumerically(">=", 3), BeNumerically("<=", 6)), said.String())
		g.Expect(warnings[:2]).To(HaveEach(ContainSubstring(`error="answered with status 500"`)))
		g.Expect(warnings).To(ContainElement(ContainSubstring(`error="has a host name that could not be resolved"`)))
		g.Expect(strings.Count(said.String(), "level=debug")).To(BeNumerically(">", len(warnings)))
		g.Expect(strings.Count(said.String(), "a receiver of alerts takes messages again")).To(Equal(1))
		g.Expect(said.String()).NotTo(Or(ContainSubstring(secret), ContainSubstring("hook.example")))
	})
}

func TestAReceiverThatIsSlowDoesNotDelayAnother(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		out := newOutbox(message("slow", "east", 1, alert.MessageFiring, time.Now()), message("quick", "east", 1, alert.MessageFiring, time.Now()), message("quick", "east", 2, alert.MessageResolved, time.Now()))
		began := time.Now()
		s := running(t, Options{Receivers: []Receiver{webhook("slow", "https://slow.example"), webhook("quick", "https://quick.example")}, Outbox: out, Transport: answers(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "slow.example" {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return answer(200), nil
		})})
		synctest.Wait()
		g.Expect(time.Since(began)).To(BeZero())
		g.Expect(out.told()).To(Equal([]string{"east-quick-1", "east-quick-2"}))
		time.Sleep(11 * time.Second)
		g.Expect(s.Status()[0].Class).To(Equal("TIMEOUT"))
		g.Expect(s.Status()[1].Class).To(BeEmpty())
	})
}

func TestAnAlertThatFiresAgainIsToldAfterItsOlderMessages(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		again := message("hook", "east", 3, alert.MessageFiring, time.Now())
		again.Alert.Incident, again.Key = "east-2", "east-2-hook-1"
		out, hook := newOutbox(message("hook", "east", 1, alert.MessageFiring, time.Now()), message("hook", "east", 2, alert.MessageResolved, time.Now()), again), &receiver{}
		hook.reply = func(key string, n int) (*http.Response, error) {
			if key == "east-hook-2" && n < 6 {
				return answer(502), nil
			}
			return answer(200), nil
		}
		running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Transport: hook})
		time.Sleep(10 * time.Minute)
		g.Expect(out.told()).To(Equal([]string{"east-hook-1", "east-hook-2", "east-2-hook-1"}))
	})
}

func TestNothingIsSentWhileItMayNot(t *testing.T) {
	bubble(t, func(t *testing.T, g *WithT) {
		var may atomic.Bool
		out, hook := newOutbox(message("hook", "east", 1, alert.MessageFiring, time.Now())), &receiver{reply: always(200)}
		running(t, Options{Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Transport: hook, MaySend: may.Load})
		time.Sleep(time.Minute)
		g.Expect(hook.asked()).To(BeEmpty())
		may.Store(true)
		time.Sleep(2 * time.Second)
		g.Expect(out.told()).To(HaveLen(1))
	})
}

func TestWhatIsUnderWayAtTheEndFindsItsEndButNotForLong(t *testing.T) {
	cases := map[string]struct {
		takes time.Duration
		told  int
	}{"an answer in time": {time.Second, 1}, "none": {time.Hour, 0}}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, g *WithT) {
				out := newOutbox(message("hook", "east", 1, alert.MessageFiring, time.Now()), message("hook", "west", 1, alert.MessageFiring, time.Now()))
				var failed atomic.Int64
				observe := func(_ string, r Result) {
					if r == Failed {
						failed.Add(1)
					}
				}
				s, err := New(Options{Receivers: []Receiver{webhook("hook", "https://hook.example")}, Outbox: out, Observer: observe, Transport: answers(func(r *http.Request) (*http.Response, error) {
					select {
					case <-time.After(c.takes):
						return answer(200), nil
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
				})})
				g.Expect(err).NotTo(HaveOccurred())
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				began := time.Now()
				g.Expect(s.Run(ctx)).To(Succeed())
				g.Expect(time.Since(began)).To(BeNumerically("<=", 2500*time.Millisecond))
				g.Expect(out.told()).To(HaveLen(c.told), "and nothing new is begun")
				g.Expect(failed.Load()).To(BeZero(), "what was cut off is not a failure")
				g.Expect(s.Status()).To(Equal([]Status{{Receiver: "hook"}}))
			})
		})
	}
}
