// Package redisadapter joins Socket.IO servers into one cluster over Redis, in
// the wire format of Node's @socket.io/redis-adapter 8: servers of both kinds
// work side by side, and Node's @socket.io/redis-emitter reaches their clients.
//
// A Cluster holds the connection to Redis and is the source of the adapters of
// all namespaces (Cluster.Adapter fits socketio.Options.NewAdapter). It never
// blocks a broadcast: what Redis does not take in time is dropped and counted,
// and after an interruption the program is told to bring its clients up to date.
// It knows nothing of what the events mean.
//
// Messages are not signed: a program that may publish in this Redis can send
// events to every client of the cluster. Give Redis users, TLS and a network of
// its own. What comes from Redis cannot end the process: messages are bounded
// in size and nesting, and Dialer bounds the replies of the server itself.
// Secrets of handshakes do not travel over Redis.
package redisadapter
