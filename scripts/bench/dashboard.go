package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// dashboard is one client. It connects, subscribes to every region, and then
// reads until its connection ends.
type dashboard struct {
	tally
	conn net.Conn
	in   *bufio.Reader
	read func() error // handles what comes next
}

// connectTimeout is how long a dashboard waits to be let in.
const connectTimeout = 10 * time.Second

// dial opens a dashboard and returns when the server has let it in and its
// subscriptions are on their way.
func dial(ctx context.Context, addr string, p profile, values *inflater) (*dashboard, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	d := &dashboard{conn: conn, in: bufio.NewReaderSize(conn, min(p.size+2048, 72<<10))}
	_ = conn.SetDeadline(time.Now().Add(connectTimeout))
	if p.polling {
		err = d.openPolling(addr)
	} else {
		err = d.openWebsocket(addr, p.deflate, values)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("a dashboard cannot connect: %w", err)
	}
	_ = conn.SetDeadline(time.Time{})
	return d, nil
}

// hangUp ends the connection at once, so that its port is free again.
func (d *dashboard) hangUp() {
	if tcp, ok := d.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = d.conn.Close()
}

// follow reads until the connection ends.
func (d *dashboard) follow() {
	for d.read() == nil {
	}
}

func subscription(region string) string {
	return `42["metrics:subscribe",{"source":"` + region + `"}]`
}

func (d *dashboard) openWebsocket(addr string, deflate bool, values *inflater) error {
	offer := ""
	if deflate {
		offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
	}
	_, err := fmt.Fprintf(d.conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n", addr, offer)
	if err != nil {
		return err
	}
	status, err := d.in.ReadString('\n')
	if err != nil || !strings.Contains(status, " 101 ") {
		return fmt.Errorf("the handshake was answered with %q: %w", status, err)
	}
	for line := ""; line != "\r\n"; {
		if line, err = d.in.ReadString('\n'); err != nil {
			return err
		}
	}
	if err := d.expect("0{", values); err != nil {
		return err
	}
	if err := d.send("40"); err != nil {
		return err
	}
	if err := d.expect("40{", values); err != nil {
		return err
	}
	var all []byte
	for _, region := range regions() {
		all = appendMasked(all, subscription(region))
	}
	_, err = d.conn.Write(all)
	d.read = func() error { return d.readFrame(values) }
	return err
}

func (d *dashboard) send(text string) error {
	_, err := d.conn.Write(appendMasked(nil, text))
	return err
}

// appendMasked appends a client's text frame; a mask of zeros is one too.
func appendMasked(b []byte, text string) []byte {
	b = append(b, 0x81)
	if len(text) < 126 {
		b = append(b, 0x80|byte(len(text)))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(len(text)))
	}
	return append(append(b, 0, 0, 0, 0), text...)
}

func (d *dashboard) expect(prefix string, values *inflater) error {
	frame, compressed, err := d.frame()
	if err != nil {
		return err
	}
	if compressed {
		if frame, err = values.inflate(frame); err != nil {
			return err
		}
	}
	if !bytes.HasPrefix(frame, []byte(prefix)) {
		return fmt.Errorf("expected %s, got %.80q", prefix, frame)
	}
	return nil
}

// frame returns the next frame's payload, valid until the next call.
func (d *dashboard) frame() (payload []byte, compressed bool, err error) {
	head, err := d.in.Peek(2)
	if err != nil {
		return nil, false, err
	}
	compressed = head[0]&0x40 != 0
	if head[0]&0x0f == 8 {
		return nil, false, io.EOF
	}
	size, skip := int(head[1]), 2
	switch size {
	case 126:
		if head, err = d.in.Peek(4); err != nil {
			return nil, false, err
		}
		size, skip = int(binary.BigEndian.Uint16(head[2:])), 4
	case 127:
		if head, err = d.in.Peek(10); err != nil {
			return nil, false, err
		}
		size, skip = int(binary.BigEndian.Uint64(head[2:])), 10
	}
	all, err := d.in.Peek(skip + size)
	if err != nil {
		return nil, false, err
	}
	_, err = d.in.Discard(skip + size)
	d.bytes += int64(skip + size)
	return all[skip:], compressed, err
}

func (d *dashboard) readFrame(values *inflater) error {
	payload, compressed, err := d.frame()
	if err != nil {
		return err
	}
	now := time.Now()
	switch {
	case compressed:
		h, update, err := values.head(payload)
		if update {
			d.add(h, now)
		}
		return err
	case len(payload) == 1 && payload[0] == '2':
		return d.send("3")
	}
	if h, update := parseUpdate(payload); update {
		d.add(h, now)
		return nil
	}
	if bytes.HasPrefix(payload, []byte("42[")) || bytes.HasPrefix(payload, []byte("41")) {
		return errors.New("an event that nobody asked for")
	}
	return nil
}
