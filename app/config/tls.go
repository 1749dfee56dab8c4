package config

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
)

// checkTLS checks the files of a part.
func (y *yamlFile) checkTLS(p *tlsPart) UpstreamTLS {
	t := UpstreamTLS{CA: p.CA.value, Cert: p.Cert.value, Key: p.Key.value, ServerName: p.ServerName.value}
	if p.CA.set && !x509.NewCertPool().AppendCertsFromPEM([]byte(p.CA.content)) {
		y.bad(p.CA.place, "there is no certificate in this file: PEM, which begins with -----BEGIN CERTIFICATE-----, is expected")
	}
	switch {
	case p.Cert.there != p.Key.there:
		y.bad(p.place, "cert and key belong together: one of them is missing")
	case p.Cert.set && p.Key.set:
		if _, err := tls.X509KeyPair([]byte(p.Cert.content), []byte(p.Key.content)); err != nil {
			y.bad(p.Cert.place, "cert and key cannot be used: %s", strings.TrimPrefix(err.Error(), "tls: "))
		}
	}
	if t != (UpstreamTLS{}) {
		t.Digest = fmt.Sprintf("%x", sha256.Sum256([]byte(p.CA.content+"\x00"+p.Cert.content+"\x00"+p.Key.content)))
	}
	return t
}

// trust makes of a part that has been checked how a server is trusted and asked; nil
// where the part says nothing.
func (p *tlsPart) trust() *tls.Config {
	if !p.set {
		return nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: p.ServerName.value}
	if p.CA.set {
		t.RootCAs = x509.NewCertPool()
		t.RootCAs.AppendCertsFromPEM([]byte(p.CA.content))
	}
	if pair, err := tls.X509KeyPair([]byte(p.Cert.content), []byte(p.Key.content)); err == nil {
		t.Certificates = []tls.Certificate{pair}
	}
	return t
}
