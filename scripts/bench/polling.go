package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// openPolling connects over long-polling, its requests one after another on
// one connection.
func (d *dashboard) openPolling(addr string) error {
	path := "/socket.io/?EIO=4&transport=polling"
	body, err := d.request("GET", addr, path, "")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(body), `"sid":"`)
	sid, _, found := strings.Cut(rest, `"`)
	if !found {
		return fmt.Errorf("the handshake was answered with %.80q", body)
	}
	path += "&sid=" + sid
	if _, err := d.request("POST", addr, path, "40"); err != nil {
		return err
	}
	if body, err = d.request("GET", addr, path, ""); err != nil {
		return err
	}
	if !bytes.HasPrefix(body, []byte("40{")) {
		return fmt.Errorf("expected 40{, got %.80q", body)
	}
	var all []string
	for _, region := range regions() {
		all = append(all, subscription(region))
	}
	_, err = d.request("POST", addr, path, strings.Join(all, "\x1e"))
	d.read = func() error { return d.poll(addr, path) }
	return err
}

func (d *dashboard) poll(addr, path string) error {
	body, err := d.request("GET", addr, path, "")
	if err != nil {
		return err
	}
	now := time.Now()
	d.bytes += int64(len(body))
	for packet := range bytes.SplitSeq(body, []byte{0x1e}) {
		if h, update := parseUpdate(packet); update {
			d.add(h, now)
		} else if string(packet) == "2" {
			if _, err := d.request("POST", addr, path, "3"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *dashboard) request(method, addr, path, body string) ([]byte, error) {
	length := ""
	if method == "POST" {
		length = fmt.Sprintf("Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n", len(body))
	}
	if _, err := fmt.Fprintf(d.conn, "%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s", method, path, addr, length, body); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(d.in, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s was answered with %s: %.80q", method, resp.Status, answer)
	}
	return answer, err
}
