// Package redisadapter joins Socket.IO servers into one cluster over Redis, in
// the wire format of Node's @socket.io/redis-adapter 8: servers of both kinds
// work side by side, and Node's @socket.io/redis-emitter reaches their clients.
//
// A Cluster holds the connection to Redis and is the source of the adapters of
// all namespaces (Cluster.Adapter fits socketio.Options.NewAdapter). It never
// blocks a broadcast: what Redis does not take in time is dropped and counted,
// and after a gap the program is told to bring its clients up to date. It
// knows nothing of what the events mean.
//
// Messages are unsigned: who may publish in this Redis may speak to every
// client of the cluster. Give Redis users, TLS and a network of its own.
package redisadapter
