package redisadapter

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// What a reply of Redis may be. The Redis library allocates what a reply
// announces before it has come, and reads nested replies recursively: without
// bounds a few bytes of a broken or hostile server end the process.
const (
	maxReplySize     = 64 << 20 // bytes in all
	maxReplyElements = 100_000  // of one array or map; CLUSTER SLOTS has up to 16,384
	maxReplyDepth    = 32       // COMMAND of Redis 7 has 6
	maxReplyLine     = 64 << 10
)

// Dialer returns a dialer for the option of the same name, which connects as
// the library's own does, with the timeout and TLS settings of o. A connection
// whose server announces more than any reply of Redis needs ends with an
// error, before the library reads the announcement.
func Dialer(o *redis.UniversalOptions) func(ctx context.Context, network, addr string) (net.Conn, error) {
	timeout := cmp.Or(max(o.DialTimeout, 0), 5*time.Second) // as in the library
	plain := redis.NewDialer(&redis.Options{DialTimeout: timeout})
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := plain(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if o.TLSConfig == nil {
			return guarded(conn), nil
		}
		config := o.TLSConfig.Clone()
		if host, _, err := net.SplitHostPort(addr); err == nil && config.ServerName == "" {
			config.ServerName = host
		}
		limited, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(limited); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("TLS with %s: %w", addr, err)
		}
		return guarded(secure), nil
	}
}

// guarded returns the connection with its replies checked.
func guarded(conn net.Conn) net.Conn {
	if raw, ok := conn.(syscall.Conn); ok {
		return struct {
			*guardedConn
			syscall.Conn // by which the library notices a closed connection
		}{&guardedConn{Conn: conn}, raw}
	}
	return &guardedConn{Conn: conn}
}

// guardedConn is a connection to Redis that ends at a reply out of bounds.
type guardedConn struct {
	net.Conn
	replies replyChecker
	failure error
}

// Read implements net.Conn.
func (c *guardedConn) Read(b []byte) (int, error) {
	if c.failure != nil {
		return 0, c.failure
	}
	n, err := c.Conn.Read(b)
	if bad := c.replies.check(b[:n]); bad != nil {
		c.failure = bad
		_ = c.Close()
		return 0, bad
	}
	return n, err
}

// replyChecker follows replies in RESP 2 and 3 as their bytes come.
type replyChecker struct {
	line       []byte // a line that is not complete
	bulk       int    // bytes of a text that are still to come
	open       []openList
	size       int // bytes of this reply so far
	attributes int // of this reply so far
}

// openList is a list of which elements are still to come.
type openList struct {
	left      int // elements that have not begun
	attribute bool
}

// check takes the next bytes and returns an error where a reply is out of
// bounds.
func (r *replyChecker) check(b []byte) error {
	for len(b) > 0 {
		n := min(r.bulk, len(b))
		if r.bulk == 0 {
			if n = bytes.IndexByte(b, '\n') + 1; n == 0 {
				n = len(b)
			}
		}
		if r.size += n; r.size > maxReplySize {
			return fmt.Errorf("redis sent a reply of more than %d bytes", maxReplySize)
		}
		if r.bulk > 0 {
			r.bulk -= n
		} else if err := r.addLine(b[:n]); err != nil {
			return err
		}
		if b = b[n:]; r.bulk == 0 && len(r.line) == 0 && len(r.open) == 0 {
			r.size = 0
		}
	}
	return nil
}

// addLine takes a line, or a piece of one.
func (r *replyChecker) addLine(piece []byte) error {
	if len(r.line)+len(piece) > maxReplyLine {
		return fmt.Errorf("redis sent a line of more than %d bytes", maxReplyLine)
	}
	r.line = append(r.line, piece...)
	if piece[len(piece)-1] != '\n' {
		return nil
	}
	line := bytes.TrimRight(r.line, "\r\n")
	r.line = r.line[:0]
	if len(line) == 0 {
		return nil // the library refuses it
	}
	elements, err := r.header(line[0], string(line[1:]))
	if err != nil {
		return err
	}
	return r.count(line[0] == '|', elements)
}

// header reads what the first line of a value announces.
func (r *replyChecker) header(kind byte, length string) (elements int, err error) {
	switch kind {
	case '$', '!', '=', '*', '~', '>', '%', '|':
	default:
		return 0, nil
	}
	n, err := strconv.Atoi(length)
	switch {
	case kind == '$' || kind == '!' || kind == '=':
		if err != nil || n > maxReplySize {
			return 0, fmt.Errorf("redis announced a text of %.20s bytes: %d is the most that is taken", length, maxReplySize)
		}
		if n >= 0 {
			r.bulk = n + len("\r\n")
		}
		return 0, nil
	case err != nil || n > maxReplyElements:
		return 0, fmt.Errorf("redis announced a list of %.20s elements: %d is the most that is taken", length, maxReplyElements)
	case kind == '%' || kind == '|':
		n *= 2
	}
	return max(n, 0), nil
}

// count notes that a value has begun, which has elements of its own. Lists stay
// open until their last element is complete: the library reads them recursively.
func (r *replyChecker) count(attribute bool, elements int) error {
	if attribute { // it stands before the value that it describes
		if r.attributes++; r.attributes > maxReplyDepth {
			return fmt.Errorf("redis sent more than %d attributes with a reply", maxReplyDepth)
		}
	} else if n := len(r.open); n > 0 {
		r.open[n-1].left--
	}
	if elements > 0 {
		if len(r.open) == maxReplyDepth {
			return fmt.Errorf("redis sent lists nested deeper than %d", maxReplyDepth)
		}
		r.open = append(r.open, openList{elements, attribute})
		return nil
	}
	for n := len(r.open); n > 0 && r.open[n-1].left == 0; n = len(r.open) {
		attribute = r.open[n-1].attribute
		r.open = r.open[:n-1]
	}
	if !attribute && len(r.open) == 0 {
		r.attributes = 0
	}
	return nil
}
