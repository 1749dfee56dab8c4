package network

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// MaxWitnesses bounds the witnesses.
const MaxWitnesses = 20

// maxMisses is how often in a row a witness may not answer while upstreams do,
// before it does not count any more.
const maxMisses = 3

// witness is one that has answered.
type witness struct{ missed int }

// ParseWitnesses reads places of the form host:port that are separated by commas.
// An error says which one is none, and what is expected.
func ParseWitnesses(text string) (addresses []string, err error) {
	for _, one := range strings.Split(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		host, port, err := net.SplitHostPort(one)
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@ ") {
			return nil, fmt.Errorf("%q is no place to ask: host:port is expected, for example 192.0.2.1:53 or [2001:db8::1]:53", one)
		}
		if !slices.Contains(addresses, one) {
			addresses = append(addresses, one)
		}
	}
	if len(addresses) > MaxWitnesses {
		return nil, fmt.Errorf("%d places are too many: up to %d are asked", len(addresses), MaxWitnesses)
	}
	return addresses, nil
}

// trusted returns the witnesses that count. w.mu is held.
func (w *Watch) trusted() (addresses []string) {
	for address, one := range w.witnesses {
		if one.missed < maxMisses {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// learn asks all witnesses, while upstreams answer, and notes which do too.
func (w *Watch) learn(ctx context.Context) {
	all := w.opts.Witnesses()
	all = all[:min(len(all), MaxWitnesses)]
	began := w.opts.Now()
	answered := w.dial(ctx, all, false)
	if ctx.Err() != nil || w.opts.Now().Sub(began) > w.opts.Timeout+pauseGrace {
		return // it was cut short, or the process was stopped meanwhile
	}
	for _, address := range w.note(all, answered) {
		w.opts.Logger.WithField("address", address).
			Warn("a place that NETWORK_CHECK names does not answer while upstreams do: it cannot tell whether our own network fails, and does not count until it answers")
	}
}

// note takes over which of all witnesses have answered, and returns those of which
// is to be told that they do not: each one once.
func (w *Watch) note(all []string, answered map[string]bool) (mute []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for address := range w.witnesses {
		if !slices.Contains(all, address) {
			delete(w.witnesses, address)
		}
	}
	for _, address := range all {
		one := w.witnesses[address]
		switch {
		case answered[address]:
			w.witnesses[address] = new(witness)
			delete(w.mute, address)
		case one != nil && one.missed < maxMisses:
			one.missed++ // it may be our network that fails just now
		case !w.opts.Guessed && !w.mute[address]:
			w.mute[address] = true
			mute = append(mute, address)
		}
	}
	return mute
}
