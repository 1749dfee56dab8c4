package lease

import "time"

// evidence is what an instance may conclude from a term that it reads in the
// database: how long it lasts is taken from the database's clock when the term
// is seen for the first time, and from then on from this process's monotonic
// clock. A database whose clock jumps neither ends a term that it has shown
// nor makes one last.
type evidence struct {
	holder string
	until  time.Time // by the database's clock: with holder, it names the term
	ends   time.Time // by this process's clock
}

// see notes what the database says at its time there, which is now here. A term
// lasts for at most the given time.
func (e *evidence) see(holder string, until, there, now time.Time, most time.Duration) {
	if holder == e.holder && until.Equal(e.until) {
		return
	}
	*e = evidence{holder: holder, until: until, ends: now.Add(min(max(until.Sub(there), 0), most))}
}

// left returns how long the term still lasts; 0 where it is over.
func (e *evidence) left(now time.Time) time.Duration { return max(e.ends.Sub(now), 0) }

// lives reports that somebody other than me has a term that is not over.
func (e *evidence) lives(me string, now time.Time) bool {
	return e.holder != "" && e.holder != me && e.left(now) > 0
}

// held is the error that names the holder.
func (e *evidence) held(now time.Time) error { return &HeldError{Holder: e.holder, For: e.left(now)} }
