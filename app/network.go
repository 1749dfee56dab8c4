package app

import (
	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/poller/network"
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
	a.probeAtTimes(partNetwork, false, a.reportNetwork) // the watch says more
	return nil
}

// reportNetwork says how the network is. there is false where there is no witness.
func (a *App) reportNetwork() (report health.Report, there bool) {
	s := a.network.Status()
	return networkReport(s), s.Failing || s.Witnesses > 0
}

func networkReport(s network.Status) health.Report {
	if !s.Failing {
		return well()
	}
	return down(network.ClassFailing, "our own network fails since "+stamp(s.Since)+
		": no upstream answers, and none of the places that NETWORK_CHECK means can be reached; how the upstreams are is unknown")
}
