// Package engineio is an Engine.IO v4 server: sessions over HTTP long-polling
// and websocket, the upgrade from the first to the second, heartbeats, and the
// bounds that keep a slow or hostile client from costing anything.
//
// A session delivers messages in the order in which they came, one at a time,
// and sends in the order of its Send calls. It never knows what the messages
// mean: Socket.IO packets are the business of package socketio.
package engineio
