// Package socketio is a Socket.IO v5 server. It serves socket.io-client 3 and
// 4, with socket.io-msgpack-parser too, and, with engineio.Options.AllowEIO3,
// socket.io-client 2.
//
// # Begin
//
// A Server is an http.Handler for the path /socket.io/:
//
//	server := socketio.NewServer(socketio.Options{})
//	server.Of("/").On("hello", func(s *socketio.Socket, args socketio.Args, ack socketio.Ack) {
//		_ = ack("hello yourself")
//	})
//	http.Handle("/socket.io/", server)
//	log.Fatal(http.ListenAndServe(":3000", nil))
//
// The module in example/frameworks has the same for gin, echo and chi. Close
// ends the connections so that the clients come back to another server; call
// it before http.Server.Shutdown, which waits for open requests.
//
// # Server, Namespace, Socket, Broadcast
//
// A Server has namespaces. Of returns one by its name; OfPattern and OfFunc
// make them when clients ask for them, one for each tenant for example.
//
// A Namespace has what holds for all its sockets: middleware that lets clients
// in or refuses them (Use), and handlers (OnConnect, On, OnDisconnecting,
// OnDisconnect). They cost no memory per socket, unlike those of a Socket.
//
// A Socket is one client in one namespace. It joins rooms (Join, Leave, In),
// emits (Emit, EmitWithAck, Volatile, Timeout), keeps a value of the program
// (SetData), and has handlers of its own (On, Once, OnAny, Use, OnDisconnect).
//
// A Broadcast chooses receivers step by step, and then emits to them, or
// fetches, moves or disconnects them:
//
//	n.To("room").Except(s.ID()).Emit("news", 1)
//	answers, err := n.All().EmitWithAck(ctx, "vote")
//	n.To("room").Coalesce("price").Emit("price", 42)
//
// # Handlers
//
// Methods that begin with On, and Use, always add: all functions that were
// added are called, in that order, those of the namespace before those of the
// socket. Off removes the handlers of an event.
//
// The generic functions On and Ask decode the first argument of an event and
// of an acknowledgement.
//
// A function of the program that panics is logged with its stack and counted
// (Server.Panics). It costs its own event only. A middleware that panics
// refuses the client, and clients never learn what the panic said.
//
// # Arguments
//
// Arguments of events are JSON: a json.RawMessage passes through as it is, and
// []byte travels as binary, in any depth of []any and map[string]any. What a
// client sends comes as Args.
//
// A client tells with its first packet how it writes packets, in Socket.IO's
// own way or as MessagePack; both kinds are served at once, and handlers see
// no difference.
//
// # Order and concurrency
//
// All methods may be called from any goroutine. The handlers of one client, of
// all its sockets, run one at a time, in the order of its packets. Reading goes
// on meanwhile: a handler may wait for an acknowledgement. A handler that waits
// for something else should heed Socket.Context.
//
// A broadcast is encoded once, whatever the number of sockets, and never waits
// for a client. What a client does not take at once waits in its backlog; past
// the bounds of engineio.Options it is disconnected. With Broadcast.Coalesce it
// skips values instead and gets the newest.
//
// # Errors and bounds
//
// Every bound on what a client may do is a field of Options or engineio.Options
// with a default. A bound that the program meets is an error of this package,
// for example ErrTooManyRooms, to be compared with errors.Is. Server.Stats
// counts how often each bound was met. OnConnectionError hears why a request
// was refused or a connection closed. Options.Logger gets the rest.
//
// # More than one process
//
// Options.NewAdapter connects a namespace with the same one of other servers:
// package redisadapter does so over Redis, together with Node servers. Emit,
// FetchSockets and the others then reach all servers, ServerSideEmit talks to
// the servers themselves, and Broadcast.Local stays in this process.
//
// Options.Recovery lets clients that were away for a short while get back their
// id, their rooms and the events that they missed, from the process that they
// were connected to.
package socketio
