package config

import "github.com/KimMachineGun/automemlimit/memlimit"

// Memory are the settings of how much memory may be used.
type Memory struct {
	// MaxMemory bounds, in bytes, what waits for clients that do not read, and
	// is the goal of the garbage collector. Load never leaves it at zero.
	MaxMemory int64
}

func (s *Memory) declare(d *declaration) {
	d.add(size[int64]{&s.MaxMemory}, "max-memory", "MAX_MEMORY", "bound of the memory in bytes, for example 512MiB, at least 32MiB; 0: a quarter of what the machine or its control group has")
}

func (s *Memory) check(r *report) {
	switch {
	case s.MaxMemory == 0:
		s.MaxMemory = max(availableMemory()/4, minMemory)
	case s.MaxMemory < minMemory:
		r.bad("MAX_MEMORY=%d is too small: at least 32MiB, or 0 for a quarter of the machine's", s.MaxMemory)
	}
}

const minMemory = 32 << 20

// availableMemory is what the control group allows, or the machine has; where
// neither can be told, a small machine is assumed.
func availableMemory() int64 {
	n := uint64(2 << 30)
	if all, err := memlimit.FromSystem(); err == nil && all > 0 {
		n = all
	}
	if group, err := memlimit.FromCgroup(); err == nil && group > 0 {
		n = min(n, group)
	}
	return int64(min(n, 1<<62))
}
