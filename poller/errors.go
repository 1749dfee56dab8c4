package poller

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Class says in one word how a poll failed.
type Class string

// The classes of failure.
const (
	ClassDNS         Class = "dns"
	ClassConnect     Class = "connect"
	ClassTLS         Class = "tls"
	ClassTimeout     Class = "timeout"
	ClassStatus      Class = "status"
	ClassTooLarge    Class = "too-large"
	ClassNotJSON     Class = "not-json"
	ClassBreakerOpen Class = "breaker-open"
	ClassPanic       Class = "panic"
	ClassStore       Class = "store"
	ClassOther       Class = "other"
)

// Error is a failed poll.
type Error struct {
	Class Class
	// HTTPStatus is the upstream's status, 0 without an answer.
	HTTPStatus int
	// Code is the system's name of a network error in the spelling that
	// JavaScript dashboards know, for example ECONNREFUSED.
	Code string
	// RetryAfter is how long the upstream asked to wait, 0 if it did not.
	RetryAfter time.Duration
	Err        error
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Class: ClassOther, Err: err}
}

func retryAfter(err error) time.Duration {
	if err == nil {
		return 0
	}
	return asError(err).RetryAfter
}

// networkError names what went wrong before an answer came.
func networkError(err error, where string) *Error {
	var (
		dns      *net.DNSError
		ctls     *tls.CertificateVerificationError
		record   tls.RecordHeaderError
		netError net.Error
		urlError *url.Error
	)
	if errors.As(err, &urlError) {
		err = urlError.Err // the URL in it may hold secrets
	}
	say := func(class Class, code, format string) *Error {
		return &Error{Class: class, Code: code, Err: fmt.Errorf(format+": %w", where, err)}
	}
	switch {
	case errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests):
		return say(ClassBreakerOpen, "", "%s failed several times in a row and is left alone for a while")
	case errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &netError) && netError.Timeout()):
		return say(ClassTimeout, "ETIMEDOUT", "%s did not answer in time")
	case errors.As(err, &dns):
		return say(ClassDNS, "ENOTFOUND", "the host of %s is not known")
	case errors.As(err, &ctls) || errors.As(err, &record):
		return say(ClassTLS, "ECERT", "the certificate or TLS of %s is not acceptable")
	case errors.Is(err, syscall.ECONNREFUSED):
		return say(ClassConnect, "ECONNREFUSED", "%s refused the connection")
	case errors.Is(err, syscall.ECONNRESET):
		return say(ClassConnect, "ECONNRESET", "%s broke the connection off")
	}
	return say(ClassConnect, "ECONNABORTED", "%s could not be asked")
}
