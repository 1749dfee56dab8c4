//go:build !linux || portable

package engineio

// readBuffer is the size in bytes of the read buffer that each connection has.
const readBuffer = smallBuffer

// idlePoller exists on Linux only: elsewhere each connection keeps its reading
// goroutine.
type idlePoller struct{}

type registration struct{}

func (*idlePoller) register(*registration) {}

func (*idlePoller) park(*Session) bool { return false }

func (*idlePoller) close() {}

func (*registration) resume() {}
