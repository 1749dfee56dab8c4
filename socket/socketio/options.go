package socketio

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// Options configures a Server. The zero value of every field is usable.
type Options struct {
	// Engine configures the connections; its OnSession is set by the server.
	Engine engineio.Options
	// ConnectTimeout is how long a connection may stay without joining a
	// namespace. Zero: 45 s.
	ConnectTimeout time.Duration
	// MaxAttachments is how many binary parts one packet may have. Zero: 10.
	MaxAttachments int
	// MaxBinary is how many bytes they may have together. Zero: 16 MiB.
	MaxBinary int
	// MaxNesting is how deep arrays and objects of a packet may nest. Zero: 200.
	MaxNesting int
	// MaxNamespaces is how many namespaces one connection may be in. Zero: 100.
	MaxNamespaces int
	// MaxRooms is how many rooms one socket may be in. Zero: 1000.
	MaxRooms int
	// MaxPendingAcks is how many acknowledgements one socket may owe. Zero:
	// 1000.
	MaxPendingAcks int
	// MaxEventRate is how many packets a second one connection may send, with
	// bursts of five times as many. Zero: no bound; the handlers' own pace
	// slows the client down.
	MaxEventRate float64
	// MaxInbox is how many bytes of packets one client may have waiting for
	// its handlers. Reading stops at a quarter of it, so that the client waits;
	// only while the client owes an acknowledgement, which may stand behind
	// other packets, reading goes on to the whole. Zero: 4 MiB.
	MaxInbox int
	// Recovery switches connection state recovery on. Nil: off, as in Node.
	Recovery *Recovery
	// NewAdapter makes the adapter of a namespace. Nil: none, this server is
	// alone.
	NewAdapter func(n *Namespace) Adapter
	// Logger is told of refused packets (level debug) and of functions of the
	// program that panicked (level error). Nil: nothing is logged.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.ConnectTimeout = cmp.Or(max(0, o.ConnectTimeout), 45*time.Second)
	o.MaxAttachments = cmp.Or(max(0, o.MaxAttachments), 10)
	o.MaxBinary = cmp.Or(max(0, o.MaxBinary), 16<<20)
	o.MaxNesting = cmp.Or(max(0, o.MaxNesting), 200)
	o.MaxNamespaces = cmp.Or(max(0, o.MaxNamespaces), 100)
	o.MaxRooms = cmp.Or(max(0, o.MaxRooms), 1000)
	o.MaxPendingAcks = cmp.Or(max(0, o.MaxPendingAcks), 1000)
	o.MaxInbox = cmp.Or(max(0, o.MaxInbox), 4<<20)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}
