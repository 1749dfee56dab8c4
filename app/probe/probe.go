// Package probe asks a running server how it is: for the command healthcheck
// and for the watchdog. It asks where the server listens, directly, and believes
// only a server of this program.
package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/devops-insights/devops-insights/app/config"
)

// Service is the name by which a server of this program is known in its
// answers.
const Service = "devops-insights-backend"

// timeout bounds one question.
const timeout = 3 * time.Second

// Ready asks the server that runs with these settings, on each of its
// listeners, whether it is ready. The error is a sentence for the operator.
func Ready(ctx context.Context, s config.Server) error {
	var addrs []string
	if s.ListenPort() != 0 {
		addrs = append(addrs, s.ListenAddr())
	}
	if internal := s.InternalListenAddr(); internal != "" {
		if _, port, err := net.SplitHostPort(internal); err == nil && port != "0" {
			addrs = append(addrs, internal)
		}
	}
	if len(addrs) == 0 {
		return errors.New("SERVER_PORT=0 is any free port: only INTERNAL_ADDR with a port could tell where to ask")
	}
	for _, addr := range addrs {
		if err := ask(ctx, addr, "/readyz"); err != nil {
			return err
		}
	}
	return nil
}

// Alive asks the server that listens on the address whether it serves requests.
func Alive(ctx context.Context, addr string) error { return ask(ctx, addr, "/livez") }

// ask is nil where a server of this program answers with 200.
func ask(ctx context.Context, listen, path string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("%s is no address: %w", listen, err)
	}
	for _, host := range reachable(host) {
		if err = askOnce(ctx, net.JoinHostPort(host, port), path); err == nil || !isRefused(err) {
			return err
		}
	}
	return err
}

// Addresses returns the addresses under which what listens on the given one
// answers here.
func Addresses(listen string) (all []string) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil
	}
	for _, host := range reachable(host) {
		all = append(all, net.JoinHostPort(host, port))
	}
	return all
}

// reachable are the hosts under which a listener on the host answers here.
func reachable(host string) []string {
	switch host {
	case "", "::":
		return []string{"127.0.0.1", "::1"}
	case "0.0.0.0":
		return []string{"127.0.0.1"}
	}
	return []string{host}
}

func isRefused(err error) bool { return errors.As(err, new(*net.OpError)) }

func askOnce(ctx context.Context, addr, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("%s cannot be asked: %w", addr, err)
	}
	client := http.Client{
		// No proxy of the environment: what it says is not about this server.
		Transport:     &http.Transport{Proxy: nil, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("not reachable: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("not reachable: %w", err)
	}
	var answer struct {
		Service string `json:"service"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Service != Service {
		return fmt.Errorf("what answers on %s is another program (status %d)", addr, resp.StatusCode)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", body)
	}
	return nil
}
