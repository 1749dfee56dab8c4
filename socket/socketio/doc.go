// Package socketio is a Socket.IO v5 server, for socket.io-client 3 and 4 and,
// with engineio.Options.AllowEIO3, 2. It is an http.Handler:
//
//	io := socketio.NewServer(socketio.Options{})
//	io.Of("/").On("hello", func(s *socketio.Socket, args socketio.Args, ack socketio.Acknowledge) {
//		_ = ack("hello yourself")
//	})
//	http.Handle("/socket.io/", io)
//
// # What is where
//
// A Server has namespaces (Of, OfPattern, OfFunc). A Namespace has middleware
// (Use), handlers for all its sockets (OnConnect, On) and broadcasts (To,
// Except, Local, All). A Socket is one client in one namespace: it joins rooms,
// emits, and has handlers of its own. A Broadcast chooses receivers and emits to
// them, with acknowledgements if asked, or fetches, moves and disconnects them.
//
// # Arguments
//
// Arguments of events are JSON: json.RawMessage passes through as it is, and
// []byte travels as binary, in any depth of []any and map[string]any. What a
// client sends comes as Args; the generic functions On and Ask decode it.
//
// # Order and concurrency
//
// All methods may be called from any goroutine. The handlers of one client run
// one at a time, in the order of its packets, beside the reading: one that
// waits for an acknowledgement gets it. A broadcast is encoded once, whatever
// the number of sockets, and never waits for a client: what a client does not
// take at once waits in its backlog, and past the bounds of engineio.Options
// it is disconnected, or skips values where Broadcast.Newest says that only the
// newest matters.
//
// # Bounds
//
// Every bound on what a client may do is a field of Options or engineio.Options
// with a default; Server.Stats counts how often each was met. A handler or
// middleware that panics is logged and costs only its event.
//
// # More than one process
//
// Options.NewAdapter connects a namespace with the same one of other servers.
// Options.Recovery lets clients that were away for a short while get what they
// missed, from the process they were connected to.
package socketio
