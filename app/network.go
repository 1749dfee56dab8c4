package app

import (
	"context"

	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/poller/network"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// watchNetwork tells an outage of our own network from those of the upstreams.
func (a *App) watchNetwork() error {
	addresses, guessed, err := a.opts.Config.NetworkWitnesses()
	if err != nil {
		return settingAtFault(err)
	}
	o := network.Options{Guessed: guessed, Logger: a.log.WithField("part", partNetwork)}
	if guessed {
		o.Witnesses = func() []string { return network.System("/") }
	} else {
		o.Witnesses = func() []string { return addresses }
	}
	a.network = network.New(o)
	a.background("network", a.network.Run)
	a.background("health of the network", a.reportNetwork)
	return nil
}

// reportNetwork keeps the network's place on the board, which it has as long as
// there is a witness, until ctx ends.
func (a *App) reportNetwork(ctx context.Context) error {
	var part *health.Reporter
	return every(ctx, probeEvery, func() error {
		s := a.network.Status()
		switch {
		case s.Failing || s.Witnesses > 0:
			if part == nil {
				part = a.board.Part(partNetwork, probeWithin).Unlogged() // the watch says more
			}
			part.Report(networkReport(s))
		case part != nil:
			part.Remove()
			part = nil
		}
		return nil
	})
}

func networkReport(s network.Status) health.Report {
	if !s.Failing {
		return well()
	}
	return down(network.ClassFailing, "our own network fails since "+s.Since.UTC().Format(jsjson.TimeFormat)+
		": no upstream answers, and none of the places that NETWORK_CHECK means can be reached; how the upstreams are is unknown")
}
