package poller

import (
	"fmt"
	"sync"

	"golang.org/x/time/rate"
)

// Hosts bounds the requests to each host, whoever of those that share it makes
// them.
type Hosts struct {
	mu       sync.Mutex
	limiters map[string]*rate.Limiter
}

// perSecond is how often one host is asked at most where nothing else is said.
const perSecond = 50

// Overload returns the hosts that polling these targets would ask more often
// than the limit allows, with a sentence for each; the polls then come late.
func Overload(targets []Target) (sentences []string) {
	asked := make(map[string]float64)
	for _, t := range targets {
		if t.Host != "" && t.Interval > 0 {
			asked[t.Host] += 1 / t.Interval.Seconds()
		}
	}
	for _, rate := range asked {
		if rate > perSecond {
			sentences = append(sentences, fmt.Sprintf("the intervals ask one host %.4g times a second and at most %d requests go out: polls will be late; set a longer POLL_INTERVAL", rate, perSecond))
		}
	}
	return sentences
}

// NewHosts returns a Hosts for HTTPOptions.
func NewHosts() *Hosts { return &Hosts{limiters: make(map[string]*rate.Limiter)} }

// limiter returns that of a host. Who asks first decides about the rate.
func (h *Hosts) limiter(host string, perSecond float64) *rate.Limiter {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.limiters[host]
	if l == nil {
		l = rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond)))
		h.limiters[host] = l
	}
	return l
}
