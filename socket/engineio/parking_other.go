//go:build !linux || portable

package engineio

// parking exists on Linux only: elsewhere each connection keeps its reading
// goroutine.
type parking struct{}

type place struct{}

func (*parking) admit(*place) {}

func (*parking) enter(*Session) bool { return false }

func (*parking) close() {}

func (*place) leave() {}
