// Package engineio is an Engine.IO v4 server: sessions over HTTP long-polling
// and websocket, the upgrade between them, heartbeats, limits and every way to
// close. Protocol version 3 is spoken where Options.AllowEIO3 says so.
//
// A message is encoded once for each transport, however many sessions it goes
// to, and Session.Send never waits for a client: what a client does not take
// at once waits in a bounded backlog. The package knows nothing of Socket.IO
// packets and never looks into a message.
//
// On Linux a websocket that has nothing to say waits without a goroutine; on
// other systems, and with the build tag "portable", each has one.
//
// The clauses named in comments and tests are those of the Engine.IO protocol
// document, version 4.
package engineio
