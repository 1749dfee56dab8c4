package network

import (
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/devops-insights/devops-insights/poller"
)

// evidence is what the result of a poll says of our own network.
type evidence int

const (
	unclear    evidence = iota // nothing
	answered                   // something came back from the upstream: it works
	unanswered                 // nothing came back: it may fail
)

// heard returns what a result says of our own network.
func heard(r poller.Result) evidence {
	switch {
	case r.Data != nil:
		return answered
	case r.Err == nil:
		return unclear
	case r.Err.HTTPStatus != 0 && !r.Err.NotAsked:
		return answered
	}
	switch r.Err.Code {
	case poller.CodeTimeout, poller.CodeDNS, poller.CodeUnreachable:
		return unanswered
	case poller.CodeRefused, poller.CodeReset, poller.CodeTLS, poller.CodeRedirect,
		poller.CodeEmpty, poller.CodeEncoding, poller.CodeNotJSON, poller.CodeTooLarge:
		if r.Err.NotAsked {
			return unclear // it came back earlier
		}
		return answered
	case poller.CodeOther:
		var op *net.OpError
		if errors.As(r.Err.Cause, &op) && op.Op == "dial" {
			return unanswered // no interface, or no rights to use it
		}
	}
	return unclear
}

// onMachine reports whether a host, with or without a port, is this machine by
// its name or address. One that has no name is taken to be.
func onMachine(host string) bool {
	name, addr := parse(host)
	return name == "" || name == "localhost" || strings.HasSuffix(name, ".localhost") || addr.IsLoopback()
}

// near reports whether a host is on this machine or in the local network, as far
// as its name or address tells: nobody is asked.
func near(host string) bool {
	name, addr := parse(host)
	switch {
	case onMachine(host):
		return true
	case addr.IsValid():
		return addr.IsPrivate() || addr.IsLinkLocalUnicast()
	case !strings.Contains(name, "."):
		return true // as containers and services of a cluster have
	}
	for _, local := range []string{".local", ".internal", ".lan", ".svc", ".home.arpa"} {
		if strings.HasSuffix(name, local) {
			return true
		}
	}
	return false
}

// parse returns the name of a host without its port, and its address; the zero
// one where it is none.
func parse(host string) (name string, addr netip.Addr) {
	name = host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(strings.Trim(name, "[]")), ".")
	addr, _ = netip.ParseAddr(name)
	return name, addr.Unmap()
}
