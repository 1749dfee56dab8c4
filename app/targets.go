package app

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/simulator"
)

// targets makes the targets of the poller out of the settings. What is polled as
// before stays the same target, with its connections and its circuit breaker.
type targets struct {
	app       *App
	hosts     *poller.Hosts
	simulator string // URL template; empty until it is needed
	// stopSimulator ends it; nil where it does not run.
	stopSimulator func(context.Context) error
	upstreams     map[fingerprint]*poller.HTTP
	known         map[targetKey]knownTarget
}

// fingerprint is of everything that decides how an upstream is asked.
type fingerprint [sha256.Size]byte

type targetKey struct{ api, region string }

type knownTarget struct {
	fingerprint
	poller.Target
}

func newTargets(a *App) *targets {
	return &targets{
		app: a, hosts: poller.NewHosts(),
		upstreams: make(map[fingerprint]*poller.HTTP), known: make(map[targetKey]knownTarget),
	}
}

// of returns the targets of each API, in the order of the settings, and what
// makes them count: until it is called nothing has changed. An error says which
// region cannot be asked, and why.
func (t *targets) of(ctx context.Context, apis []config.API) (all [][]poller.Target, commit func(), err error) {
	upstreams := make(map[fingerprint]*poller.HTTP)
	known := make(map[targetKey]knownTarget)
	for _, api := range apis {
		var own []poller.Target
		for _, region := range api.Regions {
			if api.Simulated && region.URL == "" {
				if region.URL, err = t.simulated(ctx); err != nil {
					return nil, nil, err
				}
			}
			k := targetKey{api.Name, region.Name}
			if known[k], err = t.target(k, region, upstreams); err != nil {
				return nil, nil, fmt.Errorf("region %s of the API %s: %w", region.Name, api.Name, err)
			}
			target := known[k].Target
			target.Interval, target.Timeout = region.Interval, region.Timeout
			own = append(own, target)
		}
		all = append(all, own)
	}
	return all, func() {
		for f, u := range t.upstreams {
			if upstreams[f] == nil {
				u.Close()
			}
		}
		t.upstreams, t.known = upstreams, known
		for _, sentence := range poller.Overload(slices.Concat(all...)) {
			t.app.log.WithField("part", partUpstream).Warn(sentence)
		}
	}, nil
}

// target returns the target of one region; upstreams are those of this time.
func (t *targets) target(k targetKey, region config.Region, upstreams map[fingerprint]*poller.HTTP) (knownTarget, error) {
	trust, files, err := loadTLS(region.TLS)
	if err != nil {
		return knownTarget{}, err
	}
	// An upstream that fails is asked once in each poll, as it would be by anybody
	// who watches it: the end of an outage is seen by the next poll.
	coolDown := region.Interval / 10
	text, err := json.Marshal([]any{region.URL, region.Header, region.TLS, files, region.Statuses, coolDown})
	if err != nil {
		return knownTarget{}, err
	}
	f := fingerprint(sha256.Sum256(text))
	upstream := upstreams[f]
	if upstream == nil {
		upstream = t.upstreams[f]
	}
	if upstream == nil {
		o := poller.HTTPOptions{URLTemplate: region.URL, Header: region.Header, CoolDown: coolDown, Hosts: t.hosts, TLS: trust}
		if len(region.Statuses) > 0 {
			o.Accepts = func(status int) bool {
				return slices.ContainsFunc(region.Statuses, func(r config.StatusRange) bool { return status >= r.From && status <= r.To })
			}
		}
		if upstream, err = poller.NewHTTP(o); err != nil {
			return knownTarget{}, err
		}
	}
	upstreams[f] = upstream
	if before, found := t.known[k]; found && before.fingerprint == f {
		return before, nil
	}
	return knownTarget{f, upstream.Target(k.api, k.region)}, nil
}

// close lets go of idle connections, and ends the simulator.
func (t *targets) close(ctx context.Context) error {
	for _, u := range t.upstreams {
		u.Close()
	}
	if t.stopSimulator == nil {
		return nil
	}
	return t.stopSimulator(ctx)
}

// simulated returns the URL template of the simulator, and starts it where it does
// not run yet.
func (t *targets) simulated(ctx context.Context) (string, error) {
	if t.simulator != "" {
		return t.simulator, nil
	}
	url, stop, err := simulator.New(simulator.Options{}).Start(ctx)
	if err != nil {
		return "", fmt.Errorf("the simulated upstream cannot start: %w", err)
	}
	t.stopSimulator = stop
	t.app.log.WithField("url", url).Warn("no upstream is configured: a simulated one is polled; set EXTERNAL_API_NAME or UPSTREAM_URL for real data")
	t.simulator = simulator.URLTemplate(url)
	return t.simulator, nil
}

// loadTLS reads the PEM files of an upstream, and returns their contents too. It
// returns nil where there are none, and errors without any content.
func loadTLS(o config.UpstreamTLS) (*tls.Config, [][]byte, error) {
	if o == (config.UpstreamTLS{}) {
		return nil, nil, nil
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.ServerName}
	var files [][]byte
	read := func(what, path string) ([]byte, error) {
		pem, err := os.ReadFile(path) // #nosec G304 -- the settings name it
		if err != nil {
			return nil, fmt.Errorf("the %s of its TLS settings cannot be read: %w", what, err)
		}
		files = append(files, pem)
		return pem, nil
	}
	if o.CA != "" {
		pem, err := read("CA", o.CA)
		if err != nil {
			return nil, nil, err
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, nil, fmt.Errorf("the CA of its TLS settings, %s, holds no certificate in PEM form", o.CA)
		}
	}
	if o.Cert == "" && o.Key == "" {
		return trust, files, nil
	}
	if o.Cert == "" || o.Key == "" {
		return nil, nil, errors.New("its TLS settings have only one of certificate and key: both are needed")
	}
	cert, err := read("certificate", o.Cert)
	if err != nil {
		return nil, nil, err
	}
	key, err := read("key", o.Key)
	if err != nil {
		return nil, nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, nil, fmt.Errorf("the certificate %s and the key %s of its TLS settings are no pair in PEM form: %w", o.Cert, o.Key, err)
	}
	trust.Certificates = []tls.Certificate{pair}
	return trust, files, nil
}
