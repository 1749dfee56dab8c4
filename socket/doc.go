// Package socket is the dashboard protocol on one page: the event names, what
// the dashboards send and get, and the rooms metrics:<api>:<region>. It speaks
// through package socketio and reads through a small interface; it never
// knows of MongoDB, of HTTP polling, or of how a value came to be.
package socket
