package app

import (
	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// maxBinary bounds the attachments of one event: dashboards send none.
const maxBinary = 1 << 20

// maxByteRate bounds the bytes that a dashboard sends in a second: they ask
// short questions.
const maxByteRate = 1 << 20

// answerEnvelope is what an answer takes beside its rows: one that is as large as
// it may be has to fit into the backlog of a dashboard.
const answerEnvelope = 64 << 10

// socketOptions returns the options of the Socket.IO server. Half of the memory
// may wait for clients; the other half is for everything else, and for what the
// garbage collector has not found yet.
func socketOptions(c config.Config) (socketio.Options, error) {
	proxies, err := c.Proxies()
	if err != nil {
		return socketio.Options{}, err
	}
	o := socketio.Options{
		Engine: engineio.Options{
			AllowEIO3: c.AllowEIO3, MaxPerAddress: c.MaxPerAddress, HandshakesPerSecond: c.HandshakesPerSecond,
			MaxBacklog: c.MaxBacklog, MaxMemory: c.MaxMemory / 2, MaxByteRate: maxByteRate, PerMessageDeflate: c.Compression, TrustedProxies: proxies,
		},
		MaxBinary: maxBinary, MaxEventRate: c.MaxEventRate,
	}
	if c.Recovery > 0 {
		o.Recovery = &socketio.Recovery{MaxDisconnection: c.Recovery}
	}
	return o, nil
}
