package app

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/socket/engineio"
)

// allowOrigin makes CORS of CLIENT_URL: everyone where it is empty; one origin
// as it is; of several, the one that asks.
func allowOrigin(c config.Clients) engineio.Origins {
	allowed, _ := c.Origins() // checked when the settings were loaded
	return func(origin string) (string, bool) {
		switch {
		case len(allowed) == 0 || slices.Contains(allowed, "*"):
			return "*", false
		case len(allowed) == 1:
			return allowed[0], true
		case slices.Contains(allowed, origin):
			return origin, true
		}
		return "", true
	}
}

// maxRemembered bounds how many refused origins and hosts are told apart in the
// log: a client that sends ever new ones must not fill it.
const maxRemembered = 100

// gate refuses pages of other origins: browsers say which origin a page is of,
// and let it open a websocket to any server. Programs that are no browsers send
// no Origin and pass.
type gate struct {
	log     logrus.FieldLogger
	check   string   // ORIGIN_CHECK
	origins []string // of CLIENT_URL; none or "*": all
	admins  []string // of ADMIN_UI_ORIGINS; none where there is no admin UI
	proxies []netip.Prefix
	host    string // SERVER_HOST

	mu   sync.Mutex
	told map[string]bool // what was refused and logged
}

func newGate(c config.Config, log logrus.FieldLogger) (*gate, error) {
	origins, err := c.Origins()
	if err != nil {
		return nil, err
	}
	proxies, err := c.Proxies()
	if err != nil {
		return nil, err
	}
	g := &gate{
		log: log, check: c.OriginCheck, origins: origins, proxies: proxies, host: strings.ToLower(c.Host),
		told: make(map[string]bool),
	}
	if c.AdminUIOn() {
		g.admins, err = c.AdminOrigins()
	}
	return g, err
}

// errOrigin is the answer to a page of another origin.
var errOrigin = errors.New("pages of this origin may not connect: CLIENT_URL of the server does not name it")

// allowRequest is nil where the handshake may go on: the page may be a dashboard
// or the admin UI.
func (g *gate) allowRequest(r *http.Request) error {
	if g.isAdminPage(r) {
		return nil
	}
	return g.allowPage(r)
}

// servesAll reports whether pages of all origins may be dashboards.
func (g *gate) servesAll() bool {
	return g.check == "off" || len(g.origins) == 0 || slices.Contains(g.origins, "*")
}

// allowPage is nil where the page may be a dashboard.
func (g *gate) allowPage(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" || g.servesAll() || g.isOwn(origin, r) {
		return nil
	}
	if parsed, ok := config.ParseOrigin(origin); ok && slices.Contains(g.origins, parsed) {
		return nil
	}
	return g.refuse("origin", origin, "a page of another origin wants to connect; where it is one of yours, add it to CLIENT_URL, or set ORIGIN_CHECK=log or off", errOrigin)
}

// isOwn reports whether the origin is that of this server: the host that the
// browser asked for, also where a trusted proxy replaced it.
func (g *gate) isOwn(origin string, r *http.Request) bool {
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil || u.Host == "" {
		return false
	}
	if sameHost(u, r.Host) {
		return true
	}
	if !g.isProxy(r) {
		return false
	}
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ",")
	// Proxies often pass the host on without its port.
	return sameHost(u, strings.TrimSpace(first)) || u.Hostname() == strings.ToLower(r.Host)
}

// sameHost reports whether the origin is on the host, by name and port.
func sameHost(origin *url.URL, host string) bool {
	return withPort(origin.Host, origin.Scheme) == withPort(host, origin.Scheme)
}

// withPort is a host in lower case with its port, or with that of the scheme.
func withPort(host, scheme string) string {
	host = strings.ToLower(host)
	if strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']') {
		return host
	}
	if scheme == "https" || scheme == "wss" {
		return host + ":443"
	}
	return host + ":80"
}

// isProxy reports whether the request comes from a trusted proxy.
func (g *gate) isProxy(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	addr := peer.Addr().Unmap()
	return err == nil && slices.ContainsFunc(g.proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// errHost is the answer to a request for another host.
var errHost = errors.New("this server listens for this machine only, and does not serve this host")

// allowHost is nil where the Host of the request may be asked for. A server
// that listens on loopback is reached under the names of this machine only; any
// other name is one that a foreign page has let point here (DNS
// rebinding), unless a proxy stands between.
func (g *gate) allowHost(r *http.Request) error {
	if g.check == "off" || g.isProxy(r) {
		return nil
	}
	host := (&url.URL{Host: strings.ToLower(r.Host)}).Hostname()
	if isLoopback(host) || host == g.host || host == "" {
		return nil
	}
	for _, origin := range g.origins {
		if u, err := url.Parse(origin); err == nil && u.Hostname() == host {
			return nil
		}
	}
	return g.refuse("host", r.Host, "somebody asks for a host that is not this machine, where only this machine is served; where a proxy stands in front, add it to TRUSTED_PROXIES, or set ORIGIN_CHECK=log or off", errHost)
}

// isLoopback reports whether the host is this machine alone.
func isLoopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// refuse logs what is refused, each once, and returns the error unless the
// check only logs.
func (g *gate) refuse(what, value, sentence string, err error) error {
	if len(value) > 200 {
		value = value[:200]
	}
	g.mu.Lock()
	known := g.told[what+value]
	room := len(g.told) < maxRemembered
	if !known && room {
		g.told[what+value] = true
	}
	last := !known && len(g.told) == maxRemembered && room
	g.mu.Unlock()
	if !known && room {
		g.log.WithFields(logrus.Fields{what: value, "refused": g.check != "log"}).Warn(sentence)
	}
	if last {
		g.log.Warn("further origins and hosts that are refused are not logged any more")
	}
	if g.check == "log" {
		return nil
	}
	return err
}

// guardHost puts allowHost before a handler that is served on loopback.
func (g *gate) guardHost(on net.Addr, h http.Handler) http.Handler {
	if addr, ok := on.(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.allowHost(r); err != nil {
			writeJSON(w, http.StatusForbidden, struct {
				Error string `json:"error"`
			}{err.Error()})
			return
		}
		h.ServeHTTP(w, r)
	})
}
