// Package network says whether our own network fails, so that an outage of ours
// is not told as one of the upstreams.
//
// # One rule
//
// A poll that failed is unwatched, which means that nobody knows how the upstream
// was, where all of these hold:
//
//   - nothing came back: no HTTP answer, no refused or broken connection, no TLS;
//   - no upstream has answered anything since that poll began;
//   - every witness, a place that answers as long as our network works, is out of
//     reach.
//
// A poll that began while our network failed, and failed once that was over, is
// unwatched too.
//
// In doubt it is a failure of the upstream: a real outage is never hidden. So a
// witness counts only once it has answered while an upstream did, and where there
// is none nothing is unwatched. Anything that comes back from a witness is an
// answer, also a refused connection.
//
// # Near and far
//
// An upstream on a private address, or with a name of the local network, may
// answer while the way out is cut. Its answers say nothing of upstreams that are
// farther away.
//
// # Clocks
//
// Times are compared by the monotonic clock: one that is set changes nothing. A
// check during which the process was stopped is made again.
package network
