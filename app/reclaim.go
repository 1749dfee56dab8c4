package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// reclaimPeriod is the time between two looks at the memory of the process.
	reclaimPeriod = 5 * time.Second
	// reclaimFrom is from how many bytes on it is worth while.
	reclaimFrom = 32 << 20
)

// reclaimMemory gives memory back to the system when a time of much work is
// over. The garbage collector alone keeps it until as much is used again, or for
// minutes.
func reclaimMemory(ctx context.Context) error {
	tick := time.NewTicker(reclaimPeriod)
	defer tick.Stop()
	r := reclaimer{kept: held()}
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if r.due(held(), allocated()) {
			debug.FreeOSMemory()
			r.kept = held()
		}
	}
}

// reclaimer decides when memory is given back.
type reclaimer struct {
	kept      uint64 // what was left the last time
	allocated uint64 // until the look before
}

// due takes the bytes that the process holds, and those that it has ever
// allocated. It is time when it holds much more than was left the last time, and
// now allocates little.
func (r *reclaimer) due(held, allocated uint64) bool {
	lately := allocated - r.allocated
	r.allocated = allocated
	bound := r.kept + max(r.kept/2, reclaimFrom)
	return held > bound && lately < (held-r.kept)/8
}

// held returns the bytes that the runtime has from the system.
func held() uint64 {
	return metric("/memory/classes/total:bytes") - metric("/memory/classes/heap/released:bytes")
}

// allocated returns the bytes that were ever allocated.
func allocated() uint64 { return metric("/gc/heap/allocs:bytes") }

func metric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
