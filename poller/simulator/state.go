package simulator

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/devops-insights/devops-insights/store"
)

// state is how a region is in one step.
type state int

const (
	healthy state = iota
	degraded
	broken  // the region answers, with status "error"
	failing // the region does not answer properly at all
)

// phase is how many steps a trouble lasts.
const phase = 6

// grace is how many steps pass before the first outage: whoever tries the
// program for the first time sees every region.
const grace = 5 * phase

// state picks, for each phase, at most one troubled kind of region of an API: so
// they never all fail at once, and the same seed always tells the same story.
func (s *Simulator) state(api string, kind int, step int64) state {
	if s.opts.Calm {
		return healthy
	}
	r := s.random(api+"/state", step/phase)
	if r.IntN(3) > 0 || r.IntN(len(store.Regions())) != kind {
		return healthy
	}
	switch trouble := r.IntN(10); {
	case trouble < 5:
		return degraded
	case trouble < 8 || step < s.start+grace:
		return broken
	}
	return failing
}

// random is a generator that depends on nothing but the seed and its words.
func (s *Simulator) random(word string, step int64) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(word + strconv.FormatInt(step, 10)))
	return rand.New(rand.NewPCG(s.opts.Seed, h.Sum64())) // #nosec G404 -- play data
}

// walk is a smooth course between low and high: slow waves of its own for each
// word, and a little noise for each step.
func (s *Simulator) walk(word string, step int64, low, high float64) float64 {
	own := s.random(word, 0)
	x := float64(step)
	v := 0.5 + 0.28*math.Sin(x/(15+10*own.Float64())+6*own.Float64()) +
		0.14*math.Sin(x/(4+3*own.Float64())+6*own.Float64()) +
		0.16*(s.random(word, step).Float64()-0.5)
	return low + (high-low)*min(1, max(0, v))
}
