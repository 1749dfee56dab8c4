package poller

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// maxRedirects is how many redirects of one request are followed.
const maxRedirects = 5

// newTransport returns a transport that checks certificates, uses connections
// again, and never connects to an address of forbidden, but for the configured
// one: a link-local address that somebody has written into the settings is
// meant. The zero address is none. Without trust it is that of the system.
func newTransport(configured netip.Addr, trust *tls.Config) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	if trust != nil {
		t.TLSClientConfig = trust.Clone()
	}
	// The body is decompressed where its size is bounded.
	t.DisableCompression = true
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		// This is the address that the name was resolved to: asking for it
		// before, and connecting then, could be two different answers.
		addr, err := netip.ParseAddrPort(address)
		if err != nil || (forbidden(addr.Addr()) && !isConfigured(addr.Addr(), configured)) {
			return &Error{Code: CodeAddress, Text: "has an address that is never asked: link-local, or of a metadata service"}
		}
		return nil
	}}
	t.DialContext = dialer.DialContext
	return t
}

// forbidden reports the addresses that an upstream cannot have, and that answer
// with secrets of the machine to any program that runs on it.
func forbidden(addr netip.Addr) bool {
	addr = addr.WithZone("").Unmap()
	if addr.IsLinkLocalUnicast() || slices.Contains(metadata(), addr.String()) {
		return true
	}
	if inner, ok := embedded(addr); ok {
		return forbidden(inner)
	}
	return false
}

// isConfigured reports whether a forbidden address is the configured one. Those
// of metadata services are asked in no case.
func isConfigured(addr, configured netip.Addr) bool {
	addr, configured = addr.WithZone("").Unmap(), configured.WithZone("").Unmap()
	return addr == configured && addr.IsLinkLocalUnicast() && !slices.Contains(metadata(), addr.String())
}

// metadata returns the addresses of metadata services: the one that most clouds
// use, that of containers of AWS, AWS and Google over IPv6, Alibaba, Oracle and
// Azure.
func metadata() []string {
	return []string{"169.254.169.254", "169.254.170.2", "169.254.170.23", "fe80::a9fe:a9fe", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"}
}

// embedded returns the IPv4 address to which a gateway translates an address of
// NAT64 (64:ff9b::/96) or 6to4 (2002::/16), or that is written in the old
// compatible form (::/96).
func embedded(addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() {
		return addr, false
	}
	b := addr.As16()
	switch {
	case strings.HasPrefix(string(b[:]), "\x00\x64\xff\x9b\x00\x00\x00\x00\x00\x00\x00\x00"),
		strings.HasPrefix(string(b[:]), "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00") && b[12] != 0:
		return netip.AddrFrom4([4]byte(b[12:])), true
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return addr, false
}

// checkRedirect decides whether a redirect is followed, and takes the secrets
// off a request to another origin.
func (h *HTTP) checkRedirect(r *http.Request, via []*http.Request) error {
	refuse := func(text string) error { return &Error{Code: CodeRedirect, Text: text} }
	addr, err := netip.ParseAddr(r.URL.Hostname())
	switch {
	case len(via) > maxRedirects:
		return refuse("redirected more than 5 times")
	case r.URL.Scheme != "http" && r.URL.Scheme != "https":
		return refuse("redirected to something that is not HTTP")
	case via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https":
		return refuse("redirected from https to http")
	case err == nil && forbidden(addr) && !isConfigured(addr, h.configured):
		return refuse("redirected to an address that is never asked")
	}
	first := via[0]
	r.Header.Del("Referer") // it would hold the path and the query
	if origin(r) == origin(first) {
		if own, ok := h.opts.Header["Referer"]; ok {
			r.Header["Referer"] = own
		}
		return nil
	}
	for name := range h.opts.Header {
		if !strings.EqualFold(name, "User-Agent") { // which is the same for every host
			r.Header.Del(name)
			delete(r.Header, name) // in the spelling in which it was given
		}
	}
	r.Host = "" // that of the URL
	return nil
}

// origin is where secrets may go: scheme, host and port.
func origin(r *http.Request) string {
	port := r.URL.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[r.URL.Scheme]
	}
	return strings.ToLower(r.URL.Scheme + "://" + net.JoinHostPort(r.URL.Hostname(), port))
}

// isCutOff reports that a connection ended before the answer was complete.
func isCutOff(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		strings.Contains(err.Error(), "server closed idle connection") || strings.Contains(err.Error(), "stream error") || strings.Contains(err.Error(), "http2: ")
}
