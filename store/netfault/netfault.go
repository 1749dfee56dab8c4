// Package netfault names what is wrong with a connection, the same for every
// server that this one talks to.
package netfault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"
)

// The classes of a connection that does not come about or does not last. They
// stay the same from one release to the next.
const (
	// DNS is a name that is not resolved.
	DNS = "DNS"
	// Refused is a host on which nothing listens.
	Refused = "REFUSED"
	// Unreachable is a host or a network to which no way leads.
	Unreachable = "UNREACHABLE"
	// TLS is a certificate, or a TLS, that is not acceptable to one of the two.
	TLS = "TLS"
	// Reset is a connection that the other end closed.
	Reset = "RESET"
	// Timeout is an answer that did not come in time.
	Timeout = "TIMEOUT"
)

// Class returns the class of an error, or an empty text where it is about no
// connection.
func Class(err error) string {
	var (
		dns         *net.DNSError
		record      tls.RecordHeaderError
		certificate *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		timeout     net.Error
	)
	switch {
	case errors.As(err, &dns):
		return DNS
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return Unreachable
	case errors.As(err, &certificate), errors.As(err, &authority), errors.As(err, &record), IsAlert(err):
		return TLS
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return ""
}

// IsAlert reports whether TLS ended the connection with an alert: one of its ends
// does not accept the certificate, the version or the name of the other.
func IsAlert(err error) bool {
	// crypto/tls does not export the cause.
	var operation *net.OpError
	return errors.As(err, &operation) && (operation.Op == "remote error" || operation.Op == "local error")
}
