package mongostore

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/devops-insights/devops-insights/store/netfault"
)

// UnreachableError says in a sentence why the database cannot be used at the
// moment. The cause may pass by itself.
type UnreachableError struct {
	// Class is the cause as one short word that stays the same: AUTH,
	// NO_PRIMARY, NOT_PRIMARY, REPLICA_SET, DISK_FULL, OTHER, or one of netfault's.
	Class string
	// Cause is the sentence; it holds no secret.
	Cause string
	// Err is what the driver said.
	Err error
}

// Error returns the cause.
func (e *UnreachableError) Error() string { return e.Cause }

// ErrorClass returns Class.
func (e *UnreachableError) ErrorClass() string { return e.Class }

// Unwrap returns what the driver said.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Cause explains an error of the driver for a connection to this URL; nil stays
// nil.
func Cause(err error, url string) error {
	if err == nil {
		return nil
	}
	if known := (*UnreachableError)(nil); errors.As(err, &known) {
		return err
	}
	class, text := cause(err, url)
	return &UnreachableError{Class: class, Cause: text, Err: err}
}

// The classes that are none of netfault's.
const (
	classAuth       = "AUTH"
	classReplicaSet = "REPLICA_SET"
	classNoPrimary  = "NO_PRIMARY"
	classNotPrimary = "NOT_PRIMARY"
	classDiskFull   = "DISK_FULL"
	classOther      = "OTHER"
)

func cause(err error, url string) (class, text string) {
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		return netfault.DNS, unresolved(dns)
	}
	if class, text := serverSays(err); class != "" {
		return class, text
	}
	if strings.Contains(err.Error(), "auth error") {
		return classAuth, "the database refuses the user or the password of DATABASE_URL, or the way in which they are proven (authMechanism)"
	}
	selection := topology.ServerSelectionError{}
	if !errors.As(err, &selection) {
		class = cmp.Or(netfault.Class(err), timeoutOf(err), classOther)
		if class == netfault.Timeout {
			return class, "the database does not answer in time"
		}
		return class, "the database does not answer: " + withoutSecrets(err.Error(), url)
	}
	for _, server := range selection.Desc.Servers {
		if server.LastError != nil {
			return serverCause(string(server.Addr), server.LastError, url)
		}
	}
	switch set := option(url, "replicaSet"); {
	case stillConnecting(selection) && set != "" && selection.Desc.Kind.String() == "Single":
		return classReplicaSet, fmt.Sprintf("the host of DATABASE_URL did not answer as a member of the replica set %q that it names (replicaSet)", set)
	case stillConnecting(selection):
		return netfault.Timeout, "the database does not answer: no connection came about in time"
	case set != "" && len(selection.Desc.Servers) == 0:
		return classReplicaSet, fmt.Sprintf("the hosts of DATABASE_URL do not belong to the replica set %q that it names (replicaSet)", set)
	}
	return classNoPrimary, "the replica set of the database has no primary at the moment"
}

// serverSays explains an error that the server itself answered with; empty for
// others.
func serverSays(err error) (class, text string) {
	var answer mongo.ServerError
	has := func(codes ...int) bool { return slices.ContainsFunc(codes, answer.HasErrorCode) }
	switch {
	case !errors.As(err, &answer):
		return "", ""
	case has(authenticationFailed):
		return classAuth, "the database refuses the user or the password of DATABASE_URL, or its authSource is not the database that knows the user"
	case has(unauthorized):
		return classAuth, "the database does not let this user do what is needed: DATABASE_URL needs a user who may read and write its database"
	case has(outOfDiskSpace):
		return classDiskFull, "the database has no room on its disk"
	case has(notWritablePrimary, readOnlyMode):
		return classNotPrimary, "the database takes no writes at the moment: its host is no primary, or it is read-only"
	case has(maxTimeExpired, writeConcernFailed):
		return netfault.Timeout, "the database did not do in time what it was asked for"
	}
	return "", ""
}

// timeoutOf names the driver's own timeouts.
func timeoutOf(err error) string {
	if mongo.IsTimeout(err) {
		return netfault.Timeout
	}
	return ""
}

// serverCause explains why one host cannot be used.
func serverCause(host string, err error, url string) (class, text string) {
	class = netfault.Class(err)
	asksTLS := option(url, "tls") == "true" || option(url, "ssl") == "true" || strings.HasPrefix(url, "mongodb+srv://")
	if errors.As(err, new(tls.RecordHeaderError)) || asksTLS && class == netfault.Reset {
		return netfault.TLS, fmt.Sprintf("the host %s of the database speaks no TLS, which DATABASE_URL asks for", host)
	}
	switch class {
	case netfault.DNS:
		if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
			return class, unresolved(dns)
		}
	case netfault.Refused:
		return class, fmt.Sprintf("the host %s of the database refuses the connection: nothing listens there", host)
	case netfault.TLS:
		return class, fmt.Sprintf("the certificate of the database host %s is not accepted: %s", host, withoutSecrets(err.Error(), url))
	case netfault.Reset:
		return class, fmt.Sprintf("the host %s of the database ends the connection at once: it may want TLS (tls=true in DATABASE_URL), or is no MongoDB", host)
	case netfault.Timeout, netfault.Unreachable:
		return class, fmt.Sprintf("the host %s of the database cannot be reached: %s", host, withoutSecrets(err.Error(), url))
	}
	return cmp.Or(class, classOther), fmt.Sprintf("the host %s of the database does not answer as a MongoDB does: %s", host, withoutSecrets(err.Error(), url))
}

func unresolved(err *net.DNSError) string {
	return fmt.Sprintf("the name %s of the database is not resolved: %s", err.Name, err.Err)
}

// Codes of the server.
const (
	unauthorized         = 13
	authenticationFailed = 18
	maxTimeExpired       = 50
	writeConcernFailed   = 64
	notWritablePrimary   = 10107
	readOnlyMode         = 13435 // and of a primary that has just become none
	outOfDiskSpace       = 14031
)

// stillConnecting reports whether some host was not heard of yet, neither well
// nor badly.
func stillConnecting(e topology.ServerSelectionError) bool {
	for _, server := range e.Desc.Servers {
		if server.LastError == nil && server.LastUpdateTime.IsZero() {
			return true
		}
	}
	return false
}

// connect waits for a server as long as one may still answer, and no longer:
// what is wrong is to be said at once.
func (s *Store) connect(ctx context.Context) error {
	for end := time.Now().Add(s.opts.ConnectTimeout); ; {
		short, cancel := context.WithTimeout(ctx, min(time.Second, s.opts.ConnectTimeout))
		err := s.client.Ping(short, readpref.Primary())
		cancel()
		selection := topology.ServerSelectionError{}
		waiting := err != nil && errors.As(err, &selection) && stillConnecting(selection)
		if waiting = waiting || errors.Is(err, context.DeadlineExceeded) && selection.Wrapped == nil; !waiting || ctx.Err() != nil || time.Now().After(end) {
			return Cause(err, s.opts.URL)
		}
	}
}

// option returns an option of a connection string.
func option(text, name string) string {
	_, query, _ := strings.Cut(text, "?")
	values, _ := url.ParseQuery(query)
	for key, value := range values {
		if strings.EqualFold(key, name) && len(value) > 0 {
			return value[0]
		}
	}
	return ""
}

// passing are the parts of the driver's messages that differ from one attempt to
// the next: numbers of connections and our own ports.
var passing = regexp.MustCompile(`\[-?\d+\]|\S+:\d+->`)

// withoutSecrets keeps the connection string, and the password in it, out of a
// message, and lets equal causes have equal messages.
func withoutSecrets(text, url string) string {
	text = passing.ReplaceAllString(redact(text, url), "")
	_, rest, _ := strings.Cut(url, "://")
	if at := strings.LastIndexByte(rest, '@'); at > 0 {
		if _, password, found := strings.Cut(rest[:at], ":"); found && password != "" {
			text = strings.ReplaceAll(text, password, "…")
		}
	}
	return text
}
