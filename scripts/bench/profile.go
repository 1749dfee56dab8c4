package main

import (
	"fmt"
	"time"
)

// profile is one load.
type profile struct {
	name        string
	connections int
	size        int     // bytes of a value
	rate        float64 // changes a second, all regions together
	polling     bool
	deflate     bool // the dashboards offer compression
}

// interval is the time between two polls of a region.
func (p profile) interval() time.Duration {
	return (time.Duration(float64(len(regions())) / p.rate * float64(time.Second))).Round(time.Millisecond)
}

// profiles are the loads in the order in which they are run.
func profiles() []profile {
	const kb = 1 << 10
	return []profile{
		{name: "1000-4k", connections: 1000, size: 4 * kb, rate: 15},
		{name: "5000-4k", connections: 5000, size: 4 * kb, rate: 4},
		{name: "10000-4k", connections: 10_000, size: 4 * kb, rate: 2},
		{name: "1000-256", connections: 1000, size: 256, rate: 15},
		{name: "1000-64k", connections: 1000, size: 64 * kb, rate: 3},
		{name: "1000-4k-polling", connections: 1000, size: 4 * kb, rate: 3, polling: true},
		{name: "1000-4k-deflate", connections: 1000, size: 4 * kb, rate: 15, deflate: true},
	}
}

func (p profile) describe() string {
	transport := "websocket"
	switch {
	case p.polling:
		transport = "long-polling"
	case p.deflate:
		transport = "websocket, permessage-deflate offered"
	}
	return fmt.Sprintf("%d dashboards, values of %d bytes, %g changes a second, %s", p.connections, p.size, p.rate, transport)
}

// left says whether a server is left out: one without the transport, our
// variant without compression where nobody offers it, those that have no
// compression to compare where it is offered, and zishang520 from 5000
// dashboards on, where its connects alone take minutes.
func (p profile) left(s server) bool {
	switch s.name {
	case "ours-plain":
		return !p.deflate
	case "limit":
		return p.deflate || p.polling
	case "zishang520":
		return p.deflate || p.polling || p.connections >= 5000
	}
	return false
}
