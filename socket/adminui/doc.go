// Package adminui lets Socket.IO's admin UI connect: the published one, to the
// namespace /admin, as it connects to Node servers. docs/admin-ui.md is for those
// who use it.
//
// In production mode it sends figures only, which it takes from counters that
// exist anyway, every two seconds. In development mode it also shows sockets,
// rooms and events, of a bounded number of sockets and at a bounded rate, and
// only while an administrator is there to see them.
//
// Servers of a cluster, also those of Node, tell their figures to each other's
// administrators through the adapter of the namespace.
package adminui
