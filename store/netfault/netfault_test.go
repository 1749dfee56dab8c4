package netfault_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store/netfault"
)

func TestEachFaultOfAConnectionHasItsClass(t *testing.T) {
	g := NewWithT(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	addr := l.Addr().String()
	dial := func() error { _, err := net.Dial("tcp", addr); return err }
	read := func(serve func(net.Conn)) error {
		go func() {
			if c, err := l.Accept(); err == nil {
				serve(c)
			}
		}()
		c, err := net.Dial("tcp", addr)
		g.Expect(err).NotTo(HaveOccurred())
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(100 * time.Millisecond))
		_, err = io.ReadFull(c, make([]byte, 1))
		return fmt.Errorf("a reading: %w", err)
	}
	g.Expect(netfault.Class(read(func(c net.Conn) { _ = c.Close() }))).To(Equal(netfault.Reset))
	g.Expect(netfault.Class(read(func(net.Conn) {}))).To(Equal(netfault.Timeout))
	g.Expect(l.Close()).To(Succeed())
	g.Expect(netfault.Class(dial())).To(Equal(netfault.Refused))

	encrypted := httptest.NewTLSServer(http.NotFoundHandler())
	defer encrypted.Close()
	encrypted.Config.ErrorLog = nil
	_, err = tls.Dial("tcp", encrypted.Listener.Addr().String(), nil)
	g.Expect(netfault.Class(err)).To(Equal(netfault.TLS))
	withoutOurs, err := tls.Dial("tcp", mutual(t), &tls.Config{InsecureSkipVerify: true}) // #nosec G402 -- it is the other end that refuses
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = withoutOurs.Close() }()
	_, err = withoutOurs.Read(make([]byte, 1))
	g.Expect(netfault.Class(fmt.Errorf("a reading: %w", err))).To(Equal(netfault.TLS))
	g.Expect(netfault.Class(&net.DNSError{Err: "no such host", Name: "redis"})).To(Equal(netfault.DNS))
	g.Expect(netfault.Class(context.DeadlineExceeded)).To(Equal(netfault.Timeout))
	g.Expect(netfault.Class(errors.New("WRONGPASS"))).To(BeEmpty())
	g.Expect(netfault.Class(nil)).To(BeEmpty())
}

// mutual starts a server that wants a certificate of its clients, and returns its
// address.
func mutual(t *testing.T) string {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}
