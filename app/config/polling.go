package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// Polling are the settings of when the upstream is asked.
type Polling struct {
	PollInterval  time.Duration
	PollIntervals []string
	PollTimeout   time.Duration
	// PollMaxBackoff bounds how long an upstream that asks for patience, or
	// fails, is left alone.
	PollMaxBackoff time.Duration

	ofRegions []string // that PollIntervals may name; nil: the six
}

// simulatedInterval is the poll interval where nobody sets one and no upstream
// is configured: the stand-in changes that often, and a fresh machine should
// show it.
const simulatedInterval = 4 * time.Second

// minInterval is the shortest time between two polls.
const minInterval = 100 * time.Millisecond

func defaultPolling() Polling {
	return Polling{PollInterval: 30 * time.Second, PollMaxBackoff: 5 * time.Minute}
}

func (s *Polling) declare(d *declaration) {
	d.add(&s.PollInterval, "poll-interval", "POLL_INTERVAL", "time between two polls of a region, at least 100ms")
	d.add(&list{texts: &s.PollIntervals, separator: ","}, "poll-interval-of", "POLL_INTERVALS", "interval of one region, region=duration; repeatable")
	d.add(&s.PollTimeout, "poll-timeout", "POLL_TIMEOUT", "time for one poll, at most 80% of its interval; 0: that, but at least 1s")
	d.add(&s.PollMaxBackoff, "poll-max-backoff", "POLL_MAX_BACKOFF", "longest time for which an upstream is left alone that asks for it (Retry-After)")
}

func (s *Polling) check(r *report) {
	if s.PollInterval < minInterval {
		r.bad("POLL_INTERVAL=%s is too short: at least 100ms", s.PollInterval)
	}
	if s.PollTimeout < 0 {
		r.bad("POLL_TIMEOUT=%s is negative: 0s stands for 80%% of the interval, but at least 1s", s.PollTimeout)
	}
	if s.PollMaxBackoff < time.Second || s.PollMaxBackoff > 24*time.Hour {
		r.bad("POLL_MAX_BACKOFF=%s is out of range: 1s to 24h are allowed", s.PollMaxBackoff)
	}
	_, err := s.Intervals()
	r.err(err)
}

// Intervals returns the regions that have an interval of their own.
func (s *Polling) Intervals() (map[string]time.Duration, error) {
	of, known := make(map[string]time.Duration), s.ofRegions
	if known == nil {
		known = store.Regions()
	}
	for _, pair := range s.PollIntervals {
		region, text, found := strings.Cut(pair, "=")
		region = strings.ToLower(strings.TrimSpace(region))
		d, err := time.ParseDuration(strings.TrimSpace(text))
		switch {
		case !found || err != nil || d < minInterval:
			return nil, fmt.Errorf("POLL_INTERVALS has %q: region=duration is expected, for example eu-west=10s, at least 100ms", pair)
		case !slices.Contains(known, region):
			return nil, fmt.Errorf("POLL_INTERVALS names the region %q, which does not exist: %s are allowed", region, strings.Join(known, ", "))
		case of[region] != 0 && of[region] != d:
			return nil, fmt.Errorf("POLL_INTERVALS names %s twice, with %s and %s", region, of[region], d)
		}
		of[region] = d
	}
	return of, nil
}
