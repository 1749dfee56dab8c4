// Package socket is the protocol of the dashboards: the event names, what
// dashboards send and get, and the rooms metrics:<api>:<region>;
// docs/protocol.md describes it. It sends through package socketio and reads
// through a small interface. It knows nothing of MongoDB or of polling.
package socket
