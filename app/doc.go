// Package app is the composition root: it reads the settings, wires store,
// sockets and poller together, serves the system endpoints and the built-in
// page, and takes everything down again in the reverse order. It knows
// nothing of the wire protocol.
package app
