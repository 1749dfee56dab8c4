// Package frameworks shows how the Socket.IO server is served by the usual web
// frameworks: net/http, gin, echo and chi. Its tests run each of them with a
// real client on both transports. It is a module of its own, so that a program
// that uses the library does not need any framework for it.
package frameworks
