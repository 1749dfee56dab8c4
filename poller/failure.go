package poller

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/store/netfault"
)

// Code says in one word why a poll failed. Dashboards get it as errorCode.
type Code string

// The codes of failure, beside those of CodeHTTP.
const (
	// CodeTimeout is an upstream that did not answer in time.
	CodeTimeout Code = "TIMEOUT"
	// CodeDNS is a host name that could not be resolved.
	CodeDNS Code = "DNS"
	// CodeRefused is a connection that was refused.
	CodeRefused Code = "REFUSED"
	// CodeReset is a connection that ended before the answer did.
	CodeReset Code = "RESET"
	// CodeUnreachable is a host or a network to which no way leads.
	CodeUnreachable Code = "UNREACHABLE"
	// CodeTLS is a certificate, or a TLS, that is not acceptable.
	CodeTLS Code = "TLS"
	// CodeRedirect is a redirect that is not followed.
	CodeRedirect Code = "REDIRECT"
	// CodeAddress is a host with an address that is never asked.
	CodeAddress Code = "ADDRESS"
	// CodeEmpty is an answer without content.
	CodeEmpty Code = "EMPTY"
	// CodeEncoding is an answer in a compression or charset that cannot be read.
	CodeEncoding Code = "ENCODING"
	// CodeNotJSON is an answer that is not JSON.
	CodeNotJSON Code = "NOT_JSON"
	// CodeTooLarge is an answer that is larger than allowed.
	CodeTooLarge Code = "TOO_LARGE"
	// CodeCircuitOpen is an upstream that is left alone for a while, where the
	// reason is not known; else the reason's own code stays.
	CodeCircuitOpen Code = "CIRCUIT_OPEN"
	// CodeStore is a value that came and could not be stored.
	CodeStore Code = "STORE"
	// CodePanic is a fault in the program.
	CodePanic Code = "PANIC"
	// CodeOther is anything else.
	CodeOther Code = "OTHER"
)

// Codes returns the codes of failure, but for those of CodeHTTP.
func Codes() []Code {
	return []Code{
		CodeTimeout, CodeDNS, CodeRefused, CodeReset, CodeUnreachable, CodeTLS, CodeRedirect, CodeAddress,
		CodeEmpty, CodeEncoding, CodeNotJSON, CodeTooLarge, CodeCircuitOpen, CodeStore, CodePanic, CodeOther,
	}
}

// CodeHTTP is the code of an answer with this status, for example HTTP_503.
func CodeHTTP(status int) Code { return Code(fmt.Sprint("HTTP_", status)) }

// Error is a failed poll.
type Error struct {
	Code Code
	// HTTPStatus is the upstream's status, 0 without an answer.
	HTTPStatus int
	// RetryAfter is how long the upstream asked to be left alone, 0 if it did
	// not.
	RetryAfter time.Duration
	// NotAsked marks a poll in which the upstream was left alone, because it has
	// failed several times in a row: Code and HTTPStatus are those of its last
	// failure.
	NotAsked bool
	// Text is one short sentence for dashboards. It holds no address, and nothing
	// that the upstream sent but the status.
	Text string
	// Detail is more for the log, at most 300 bytes; it holds no URL.
	Detail string
	// Cause is the error behind it; its text may hold anything.
	Cause error
}

// Error returns Text.
func (e *Error) Error() string { return e.Text }

// ErrorClass returns Code: by it failures are counted and searched for.
func (e *Error) ErrorClass() string { return string(e.Code) }

// Unwrap returns Cause.
func (e *Error) Unwrap() error { return e.Cause }

// maxDetail bounds what somebody else wrote, in a log.
const maxDetail = 300

func cut(text string) string {
	if len(text) <= maxDetail {
		return text
	}
	n := maxDetail - len("…")
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}

// asError returns the *Error in err; one that is none says nothing, since its
// text may hold anything.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeOther, Text: "could not be asked", Detail: cut(err.Error()), Cause: err}
}

func retryAfter(e *Error) time.Duration {
	if e == nil {
		return 0
	}
	return e.RetryAfter
}

// requestError names what went wrong before the answer was complete.
func requestError(err error) *Error {
	var (
		own      *Error
		urlError *url.Error
	)
	if errors.As(err, &own) {
		return own
	}
	if errors.As(err, &urlError) {
		err = urlError.Err // the URL in it may hold secrets
	}
	e := &Error{Cause: err}
	e.Code, e.Text, e.Detail = describe(err)
	e.Detail = cut(e.Detail)
	return e
}

// describe takes a detail only where nobody else can have written a URL into it.
func describe(err error) (code Code, text, detail string) {
	var (
		network net.Error
		dns     *net.DNSError
		errno   syscall.Errno
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &network) && network.Timeout() && !errors.As(err, &dns)):
		return CodeTimeout, "did not answer in time", ""
	case errors.As(err, &dns):
		return CodeDNS, "the host name could not be resolved", dns.Name + ": " + dns.Err
	case isTLS(err):
		return CodeTLS, "the certificate or the TLS is not acceptable", err.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return CodeRefused, "refused the connection", ""
	case errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL):
		return CodeUnreachable, "could not be reached", ""
	case isCutOff(err):
		return CodeReset, "ended the connection before the answer was complete", ""
	case errors.As(err, &errno):
		return CodeOther, "could not be asked", errno.Error()
	case strings.Contains(err.Error(), "malformed"):
		return CodeOther, "answered something that is not HTTP", ""
	case strings.Contains(err.Error(), "response headers exceeded"):
		return CodeTooLarge, "answered with headers that are too large", ""
	}
	return CodeOther, "could not be asked", ""
}

func isTLS(err error) bool {
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		authority   x509.UnknownAuthorityError
		hostname    x509.HostnameError
		invalid     x509.CertificateInvalidError
	)
	return errors.As(err, &certificate) || errors.As(err, &record) || netfault.IsAlert(err) ||
		errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid) ||
		errors.Is(err, http.ErrSchemeMismatch) // plain HTTP on a port that was asked for TLS
}
