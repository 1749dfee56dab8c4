// Package errclass gives an error a short word that stays the same from one
// release to the next, so that failures can be counted, shown and searched for
// without their texts.
package errclass

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/buffer"
	"github.com/devops-insights/devops-insights/store/netfault"
)

// The classes of errors that do not name their own; docs/logging.md says what
// each of them means.
const (
	Other       = "OTHER"
	Timeout     = netfault.Timeout
	Canceled    = "CANCELED"
	Refused     = netfault.Refused
	Reset       = netfault.Reset
	Unreachable = netfault.Unreachable
	// Unavailable is a database that is known not to answer: nobody has asked it.
	Unavailable = "UNAVAILABLE"
	DNS         = netfault.DNS
	TLS         = netfault.TLS
	Auth        = "AUTH"
	NotPrimary  = "NOT_PRIMARY"
	Duplicate   = "DUPLICATE"
	TooLarge    = "TOO_LARGE"
	DiskFull    = "DISK_FULL"
	DiskFails   = "DISK_FAILS"
	ReadOnly    = "READ_ONLY"
	Permission  = "PERMISSION"
	Missing     = "MISSING"
	Damaged     = "DAMAGED"
	Files       = "TOO_MANY_FILES"
)

// Of returns the class of an error: the one that it, or an error behind it,
// names by a method ErrorClass() string; else that of its cause; Other where
// nothing is known of it. Without an error it is empty.
func Of(err error) string {
	if err == nil {
		return ""
	}
	var named interface {
		error
		ErrorClass() string
	}
	if errors.As(err, &named) {
		if class := named.ErrorClass(); class != "" {
			return class
		}
	}
	for _, of := range []func(error) string{disk, database, redis, network, ended} {
		if class := of(err); class != "" {
			return class
		}
	}
	if errors.Is(err, buffer.ErrUnavailable) {
		return Unavailable
	}
	return Other
}

// disk knows the errors of files.
func disk(err error) string {
	if class, _ := boltstore.Explain(err); class != Other {
		return class
	}
	for _, few := range []error{syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, few) {
			return Files
		}
	}
	return ""
}

// network knows the errors of connections.
func network(err error) string {
	if errors.Is(err, net.ErrClosed) {
		return Reset
	}
	return netfault.Class(err)
}

// ended knows what ended because of its time or its caller.
func ended(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case mongo.IsTimeout(err):
		return Timeout
	}
	return ""
}

// database knows what a MongoDB answers, by the number of the error.
func database(err error) string {
	var server mongo.ServerError
	if !errors.As(err, &server) {
		return ""
	}
	for _, code := range server.ErrorCodes() {
		switch code {
		case 13, 18, 8000:
			return Auth
		case 91, 189, 10058, 10107, 11600, 11602, 13435, 13436:
			return NotPrimary
		case 11000, 11001:
			return Duplicate
		case 10334, 17280:
			return TooLarge
		case 14031:
			return DiskFull
		case 50, 202, 262:
			return Timeout
		}
	}
	return ""
}

// redis knows what a Redis answers: its errors begin with a word of capitals.
func redis(err error) string {
	var reply interface {
		error
		RedisError()
	}
	if !errors.As(err, &reply) {
		return ""
	}
	word, _, _ := strings.Cut(reply.Error(), " ")
	switch word {
	case "NOAUTH", "WRONGPASS", "NOPERM":
		return Auth
	case "READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "OOM", "BUSY", "DENIED", "MISCONF", "TRYAGAIN", "NOREPLICAS":
		return word
	}
	return ""
}
