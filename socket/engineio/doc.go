// Package engineio is an Engine.IO v4 server: sessions over HTTP long-polling
// and websocket, the upgrade between them, heartbeats, limits and every way to
// close. Protocol version 3 is supported with Options.AllowEIO3.
//
// A message is encoded once for each transport, however many sessions it goes
// to, and Session.Send never waits for a client: what a client does not take
// at once waits in a bounded backlog. The package knows nothing of Socket.IO
// packets and never looks into a message.
//
// Nothing that clients do, or fail to do, grows memory without a bound. What
// waits for one client is bounded by Options.MaxBacklog, and of messages with a
// CoalesceKey two of each wait at most, so that a slow client skips values and
// is not late. What waits in the whole server is bounded by Options.MaxMemory:
// past it the sessions for which most waits are ended. Bodies and answers have
// deadlines.
//
// A server that stops does so in a way that brings every client back to another
// one: it sends no Engine.IO close packet, which some clients take for a
// deliberate end. Session.Close is that deliberate end.
//
// On Linux an idle websocket waits without a goroutine; on
// other systems, and with the build tag "portable", each has one.
//
// The clauses named in comments and tests are those of the Engine.IO protocol
// document, version 4.
package engineio
