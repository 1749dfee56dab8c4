package config

import (
	"net"
	"strconv"
	"strings"
	"time"
)

// Server are the settings of the listeners and of the shutdown.
type Server struct {
	Host         string
	Port         int
	InternalAddr string
	PortOffset   int
	Environment  string
	DrainTimeout time.Duration
	DrainDelay   time.Duration
	DrainSpread  time.Duration
}

func defaultServer() Server {
	return Server{Port: 5000, Environment: "development", DrainTimeout: 10 * time.Second, DrainSpread: 2 * time.Second}
}

func (s *Server) declare(d *declaration) {
	d.add(&s.Host, "host", "SERVER_HOST", "address to listen on; empty: all")
	d.add(&s.Port, "port", "SERVER_PORT PORT", "port of the dashboards, 0 to 65535 (0: any free one)")
	d.add(&s.InternalAddr, "internal-addr", "INTERNAL_ADDR", "second listener for those who run the server, host:port: /livez, /readyz, /metrics, /connz, /trace, /loglevel, /backup and /debug/pprof; empty: none")
	d.add(&s.PortOffset, "port-offset", "PORT_OFFSET", "added to both ports: the number of this instance, where one machine has several")
	d.add(&s.Environment, "environment", "NODE_ENV", "name of the environment, shown by /api/v1/info")
	d.add(&s.DrainTimeout, "drain-timeout", "DRAIN_TIMEOUT", "time for an orderly shutdown")
	d.add(&s.DrainDelay, "drain-delay", "DRAIN_DELAY", "time between not ready and the first disconnect, for the balancer to notice")
	d.add(&s.DrainSpread, "drain-spread", "DRAIN_SPREAD", "time over which the dashboards are disconnected")
}

func (s *Server) check(r *report) {
	s.Host = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s.Host), "["), "]")
	if !isHost(s.Host) {
		r.bad("SERVER_HOST=%q is no address: a name or an IP address without scheme and port is allowed, for example 127.0.0.1", s.Host)
	}
	if s.Port < 0 || s.Port > 65535 {
		r.bad("SERVER_PORT=%d is no port: 0 to 65535 are allowed", s.Port)
	}
	if s.PortOffset < 0 || s.Port >= 0 && s.Port <= 65535 && s.Port+s.PortOffset > 65535 {
		r.bad("PORT_OFFSET=%d cannot be used: SERVER_PORT and it are together at most 65535", s.PortOffset)
	}
	s.checkInternal(r)
	if s.DrainTimeout < 0 {
		r.bad("DRAIN_TIMEOUT=%s is negative", s.DrainTimeout)
	}
	if s.DrainDelay < 0 || s.DrainSpread < 0 || s.DrainDelay+s.DrainSpread > max(s.DrainTimeout, time.Second) {
		r.bad("DRAIN_DELAY=%s and DRAIN_SPREAD=%s must not be negative and together fit into DRAIN_TIMEOUT=%s", s.DrainDelay, s.DrainSpread, s.DrainTimeout)
	}
}

func (s *Server) checkInternal(r *report) {
	if s.InternalAddr == "" {
		return
	}
	host, port, err := net.SplitHostPort(s.InternalAddr)
	n, notANumber := strconv.Atoi(port)
	switch {
	case err != nil || notANumber != nil || n < 0 || n > 65535 || !isHost(host):
		r.bad("INTERNAL_ADDR=%q cannot be used: host:port is expected, for example 127.0.0.1:5001 or :5001", s.InternalAddr)
	case n+s.PortOffset > 65535:
		r.bad("PORT_OFFSET=%d cannot be used: the port of INTERNAL_ADDR and it are together at most 65535", s.PortOffset)
	case n != 0 && n == s.Port && (host == s.Host || isAny(host) || isAny(s.Host)):
		r.bad("INTERNAL_ADDR=%s is the address of SERVER_PORT=%d: it needs a port of its own", s.InternalAddr, s.Port)
	}
}

// isHost reports whether the text can be a host. Numbers alone that are no
// address are none: somebody meant one.
func isHost(text string) bool {
	if net.ParseIP(strings.Split(text, "%")[0]) != nil {
		return true
	}
	if text != "" && strings.Trim(text, "0123456789.") == "" {
		return false
	}
	return !strings.ContainsAny(text, ":/?#@[]{}, \t\r\n\x00")
}

// isAny reports whether the host stands for all addresses of the machine.
func isAny(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }

// ListenPort returns the port of this instance; 0 is any free one.
func (s *Server) ListenPort() int {
	if s.Port == 0 {
		return 0
	}
	return s.Port + s.PortOffset
}

// ListenAddr returns the address of the dashboards of this instance.
func (s *Server) ListenAddr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.ListenPort())) }

// InternalListenAddr returns the internal address of this instance; empty
// where there is none.
func (s *Server) InternalListenAddr() string {
	host, port, err := net.SplitHostPort(s.InternalAddr)
	n, notANumber := strconv.Atoi(port)
	if err != nil || notANumber != nil || n == 0 {
		return s.InternalAddr // as it is; listening says what is wrong with it
	}
	return net.JoinHostPort(host, strconv.Itoa(n+s.PortOffset))
}
