// Package client is a Socket.IO v5 client (Engine.IO v4), for servers that
// socket.io-client 3 and 4 connect to: package socketio, Node's socket.io and
// others.
//
//	c, err := client.New("https://status.example", client.Options{})
//	if err != nil {
//		return err
//	}
//	defer c.Close(ctx)
//	s := c.Of("/")
//	s.On("metrics-update", func(args socketio.Args, _ socketio.Ack) {
//		fmt.Println(string(args.Raw(0)))
//	})
//	s.OnConnect(func() { _ = s.Emit("metrics:subscribe", map[string]string{"source": "eu-west"}) })
//	err = s.Connect(ctx)
//
// # What is where
//
// A Client is one connection. Of returns the Socket of a namespace; all sockets
// of a client share the connection, which ends with the last of them. A Socket
// has handlers (On, Once, OnAny, OnConnect, OnDisconnect, OnConnectError) and
// emits (Emit, EmitVolatile, EmitWithAck). The generic functions On and Ask
// decode the first argument. Arguments are those of package socketio: JSON,
// with []byte as binary in any depth.
//
// # Connecting
//
// Socket.Connect waits until the namespace has let the socket in. The
// connection begins with polling and is upgraded to websocket, unless
// Options.Engine.Transports says otherwise: {"websocket"} for websocket alone.
// TLS, proxy, cookies and headers are in Options.Engine too. Options.Auth is
// asked for the payload at every connect, so that a token is never stale.
//
// A namespace that refuses answers with a *ConnectError, which carries the
// message and data of the server's middleware.
//
// # Reconnecting
//
// After a connection that was closed, that broke, or whose server sent no
// heartbeat in time, the client connects again by itself: after
// Options.ReconnectDelay, then twice as long each time up to
// Options.ReconnectDelayMax, each longer or shorter by chance. It does not
// after ReasonServerDisconnect and ReasonClientDisconnect, that is, where
// either side meant the end; Connect begins anew then. Subscriptions and rooms
// belong to the connection: make them in OnConnect, which is called each time.
//
// Where the server offers connection state recovery, the client asks for it:
// after a short absence Recovered is true, id and rooms are the former ones,
// and the events that were missed follow in order.
//
// # Order and concurrency
//
// All methods may be called from any goroutine. The handlers of a client, of
// all its sockets, run one at a time, in the order in which the server sent;
// acknowledgements are taken meanwhile, so a handler may wait for one. A
// handler that panics is logged and costs only its event. Only Client.Close
// must not be waited for in a handler.
//
// # Bounds
//
// Events that are emitted while there is no connection wait for it, up to
// Options.MaxBuffered bytes; Emit returns ErrBuffered past that. EmitVolatile
// drops them instead. Events that the server does not take wait up to
// Options.Engine.MaxUnsent. Received events wait for their handlers up to
// Options.MaxQueued; past that nothing is read, and the server meets its own
// bounds. A packet, with its attachments, and a polling payload are bounded by
// Options.Engine.MaxPayload. Past that, and where the server breaks the
// protocol, the connection ends with ReasonParseError.
package client
