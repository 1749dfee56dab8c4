package client

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/engineio/internal/wire"
)

// client returns the client of polling and, where it was made here, its
// transport.
func (o Options) client() (*http.Client, *http.Transport) {
	if o.HTTPClient != nil {
		return o.HTTPClient, nil
	}
	transport := o.transport()
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: transport, CheckRedirect: stay}, transport
}

// transport returns a transport of the connection's own.
func (o Options) transport() *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: o.TLSConfig}
}

// poll asks the server again and again. It returns true when the connection
// was upgraded and false when it has ended.
func (c *Conn) poll() bool {
	pausing := c.pausing
	for {
		select {
		case <-pausing:
			close(c.paused)
			select {
			case upgraded := <-c.upgraded:
				if upgraded {
					return true
				}
				pausing = nil // there is one attempt
			case <-c.ctx.Done():
				return false
			}
		default:
		}
		packets, err := c.get(c.ctx)
		if err != nil {
			reason := ReasonTransportError
			if errors.Is(err, errPayload) {
				reason = ReasonParseError
			}
			c.fail(reason, err)
			return false
		}
		for _, p := range packets {
			if !c.receive(p) {
				return false
			}
		}
	}
}

var errPayload = errors.New("a polling payload that the protocol does not allow")

func (c *Conn) get(ctx context.Context) ([]wire.Packet, error) {
	resp, err := c.request(ctx, http.MethodGet, http.NoBody)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := readAll(resp.Body, c.opts.MaxPayload)
	if err != nil {
		return nil, err
	}
	var packets []wire.Packet
	err = wire.DecodePayload(body, func(p wire.Packet) bool {
		packets = append(packets, p)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPayload, err)
	}
	return packets, nil
}

// readAll reads to the end, or to more than most bytes, which is an error.
func readAll(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		return nil, ErrTooLarge
	}
	return b, err
}

func (c *Conn) post(packets []wire.Packet) error {
	var body []byte
	for i, p := range packets {
		if i > 0 {
			body = append(body, wire.Separator)
		}
		body = p.Append(body)
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.hello.patience())
	defer cancel()
	resp, err := c.request(ctx, http.MethodPost, bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<10))
	return err
}

// request makes one request of polling; an answer other than 200 is an error.
func (c *Conn) request(ctx context.Context, method string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.address(engineio.Polling), body)
	if err != nil {
		return nil, err
	}
	for name, values := range c.opts.Header {
		req.Header[name] = values
	}
	req.Host = cmp.Or(c.opts.Header.Get("Host"), req.Host)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, withoutAddress(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer func() { _ = resp.Body.Close() }()
		return nil, statusError(resp)
	}
	return resp, nil
}

// address returns the URL of a transport, of the session where there is one.
func (c *Conn) address(transport string) string {
	u := *c.endpoint
	u.RawQuery += "&transport=" + transport
	if c.hello.SID != "" {
		query := u.Query()
		query.Set("sid", c.hello.SID)
		u.RawQuery = query.Encode()
	}
	return u.String()
}
