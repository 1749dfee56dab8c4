package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/app/config"
)

// redisError is an error of the Redis library with a sentence that says why
// Redis cannot be used. It may pass by itself.
type redisError struct {
	cause string
	err   error
}

func (e *redisError) Error() string { return e.cause }

func (e *redisError) Unwrap() error { return e.err }

// redisReplies are the errors of Redis itself, by how they begin, and what they
// mean for a person who runs it.
func redisReplies() [][2]string {
	return [][2]string{
		{"WRONGPASS", "refuses the user or the password of REDIS_HOST (WRONGPASS)"},
		{"ERR invalid password", "refuses the password of REDIS_HOST"},
		{"ERR AUTH <password> called without any password", "has no password, and REDIS_HOST names one without a user"},
		{"ERR Client sent AUTH, but no password is set", "has no password, and REDIS_HOST names one"},
		{"NOAUTH", "asks for a password, and REDIS_HOST has none (NOAUTH)"},
		{"NOPERM", "does not let this user do what is needed: docs/security.md lists it (NOPERM)"},
		{"DENIED", "is in protected mode: it lets in only who comes from its own machine (DENIED)"},
		{"LOADING", "still reads its data (LOADING)"},
		{"MASTERDOWN", "is a replica without its master (MASTERDOWN)"},
		{"CLUSTERDOWN", "is a Redis Cluster that is not complete (CLUSTERDOWN)"},
		{"ERR This instance has cluster support disabled", "is no node of a Redis Cluster: REDIS_CLUSTER does not fit"},
		{"ERR unknown command 'sentinel'", "is no Sentinel: REDIS_SENTINEL_MASTER does not fit"},
		{"ERR unknown command `sentinel`", "is no Sentinel: REDIS_SENTINEL_MASTER does not fit"},
		{"ERR DB index is out of range", "has fewer databases than the number in REDIS_HOST says"},
		{"ERR max number of clients reached", "has as many clients as it takes (maxclients)"},
	}
}

// explainRedis explains an error of the library for a connection with these
// options; nil stays nil.
func explainRedis(err error, o *redis.UniversalOptions) error {
	if err == nil {
		return nil
	}
	return &redisError{redisCause(err, o), err}
}

func redisCause(err error, o *redis.UniversalOptions) string {
	var (
		dns     *net.DNSError
		timeout net.Error
		record  tls.RecordHeaderError
		alert   tls.AlertError
		unknown x509.UnknownAuthorityError
		invalid *tls.CertificateVerificationError
	)
	text := err.Error()
	for _, reply := range redisReplies() {
		if strings.Contains(text, reply[0]) {
			return fmt.Sprintf("Redis at %s %s", strings.Join(o.Addrs, ","), reply[1])
		}
	}
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	does := "does not answer as a Redis does: " + cutText(text)
	switch {
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s of REDIS_HOST is not resolved: %s", dns.Name, dns.Err)
	case errors.Is(err, syscall.ECONNREFUSED):
		does = "refuses the connection: nothing listens there"
	case errors.As(err, &invalid), errors.As(err, &unknown):
		does = "has a certificate that is not accepted (REDIS_TLS_CA names one to trust): " + cutText(text)
	case errors.As(err, &record), o.TLSConfig != nil && ended:
		does = "speaks no TLS, which rediss:// in REDIS_HOST asks for"
	case errors.As(err, &alert):
		does = "refuses the TLS of this client: it may ask for a certificate (REDIS_TLS_CERT): " + cutText(text)
	case ended:
		does = "ends the connection at once: it may want TLS (rediss:// in REDIS_HOST), or is no Redis"
	case o.TLSConfig != nil && (errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded)):
		// A Redis without TLS waits for the end of what it takes for a command.
		does = "does not answer in time: it may speak no TLS, which rediss:// in REDIS_HOST asks for"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		does = "does not answer in time: " + cutText(text)
	case errors.Is(err, redis.Nil) && o.MasterName != "":
		does = fmt.Sprintf("is a Sentinel that knows no master %q (REDIS_SENTINEL_MASTER)", o.MasterName)
	}
	return fmt.Sprintf("Redis at %s %s", strings.Join(o.Addrs, ","), does)
}

// cutText bounds what somebody else wrote.
func cutText(text string) string {
	const most = 300
	return strings.ToValidUTF8(text[:min(len(text), most)], "\uFFFD")
}

// pingRedis asks Redis for a sign of life. What the library makes of a strange
// answer, a panic even, is an error.
func pingRedis(ctx context.Context, client redis.UniversalClient, o *redis.UniversalOptions) (err error) {
	ctx, cancel := context.WithTimeout(ctx, config.RedisTimeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = &redisError{fmt.Sprintf("Redis at %s does not answer as a Redis does", strings.Join(o.Addrs, ",")), fmt.Errorf("%v", r)}
		}
	}()
	return explainRedis(client.Ping(ctx).Err(), o)
}

const (
	// redisCheck is how often it is looked whether the other instances are heard.
	redisCheck = 5 * time.Second
	// redisReminder is how often the same reason is logged while they are not.
	redisReminder = time.Minute
)

// watchRedis says why the other instances are not heard: at once where the
// reason changes, and every minute while it lasts. said is what was said at
// the start; nil is nothing.
func (a *App) watchRedis(ctx context.Context, o *redis.UniversalOptions, said error) error {
	ticker := time.NewTicker(redisCheck)
	defer ticker.Stop()
	last, at := "", time.Now()
	if said != nil {
		last = said.Error()
	}
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if a.cluster.Stats().Connected {
			last = ""
			continue
		}
		err := pingRedis(ctx, a.redis, o)
		if err == nil || ctx.Err() != nil || (err.Error() == last && time.Since(at) < redisReminder) {
			continue
		}
		last, at = err.Error(), time.Now()
		a.log.WithError(err).Warn("the other instances are not heard: this one goes on alone")
	}
}
