package app

import (
	"os"
	"strings"

	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/poller/alert/heartbeat"
	"github.com/devops-insights/devops-insights/poller/network"
)

// beatOutside calls the service that notices when this server is gone, where the
// settings name one.
func (a *App) beatOutside() error {
	c := a.opts.Config
	if c.HeartbeatURL == "" {
		return nil
	}
	host, _ := os.Hostname()
	h, err := heartbeat.New(heartbeat.Options{
		URL: c.HeartbeatURL, FailURL: c.HeartbeatFailURL, Every: c.HeartbeatInterval, Instance: host,
		Wrong: func() ([]string, bool) {
			names := a.Catalog().Names()
			return unhealthy(a.board.Parts()), len(names) > 0 && a.polls(names[0])
		},
		Logger: a.log.WithField("part", "heartbeat"),
	})
	if err != nil {
		return settingAtFault(err)
	}
	a.background("heartbeat", h.Run)
	return nil
}

// unhealthy returns what is wrong with this server, in sentences: parts that are
// down or unknown, and regions that are not polled in time. How the upstreams are is
// not the server's fault.
func unhealthy(parts []health.Part) (sentences []string) {
	for _, p := range parts {
		region, upstream := strings.CutPrefix(p.Name, partUpstream+":")
		switch {
		case p.Starting:
		case upstream && p.State == health.Unknown && p.Class == health.ClassSilent:
			sentences = append(sentences, "the region "+region+" is not polled in time")
		case upstream && (p.State != health.Unknown || p.Class == network.ClassFailing):
		case p.State == health.Down, p.State == health.Unknown:
			sentences = append(sentences, strings.TrimSuffix(p.Name+" is "+string(p.State)+": "+p.Message, ": "))
		}
	}
	return sentences
}
