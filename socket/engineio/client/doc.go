// Package client is an Engine.IO v4 client: one connection to a server over
// HTTP long-polling, websocket, or the first upgraded to the second.
//
// Dial connects, Conn.Send queues messages, Conn.Receive returns the server's,
// in order, and Conn.Close ends the connection and waits for its goroutines.
// The client answers the server's heartbeats by itself; a server that sends
// none for its ping interval and ping timeout is lost.
//
// It does not reconnect and knows nothing of Socket.IO: package
// socket/socketio/client does both on top of it.
//
// # Bounds
//
// A message that the program has not received holds the reading up, so that
// the server meets its own bounds rather than this process. Messages that wait
// to be sent are bounded by Options.MaxUnsent, a received message or polling
// payload by Options.MaxPayload.
package client
