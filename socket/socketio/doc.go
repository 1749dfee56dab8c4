// Package socketio is a Socket.IO v5 server over package engineio: the packet
// codec, namespaces, sockets, rooms, acknowledgements in both directions, and
// the Adapter through which rooms reach beyond one process.
//
// A client's events are handled in the order in which they came. A broadcast
// is encoded once, whatever the number of sockets. It never knows what the
// events mean.
package socketio
