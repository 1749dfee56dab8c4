// Package outcome turns the results of polls into the intervals that a store
// keeps: since when a region is up, degraded or down, and when nobody knew. A
// Classifier says what a value means, a Recorder makes the intervals. It knows
// neither who asks for them nor which store keeps them.
//
// # One rule
//
// A state holds from the poll that found it to the next poll, as long as that
// comes in time: by the time for which it was planned and one interval more, at
// least 1.5 s (store.Interval.Until). If it comes later the time in between
// is unknown. So a process that was killed or stopped, a lease that was elsewhere
// and a machine that slept all leave the same: a time that counts as unknown, and
// never as up.
//
// A value is of the time at which it came, as its row in the history. A poll that
// failed counts from when it began: it may have tried for long. One that failed
// because our own network did (poller.Result.Unwatched) is unknown.
//
// A change of state is written at once, the confirmation of a state at most every
// five seconds (every second where polls are more frequent than that), by a
// goroutine of the Recorder's own: polls never wait for the store. A kill loses the confirmations of these seconds. What the store does not
// take waits in memory, within a bound; past it the oldest becomes unknown.
//
// # Clocks
//
// Times are those of the wall clock, as for the rows of the history, but within
// a region they never go back: intervals do not overlap, and none has a negative
// length. How long a poll took is measured by the monotonic clock.
//
// A wall clock that is set forward by more than a poll may be late leaves an
// unknown time of the difference. One that is set back by D makes the times run
// at half of the speed of the monotonic clock until the wall clock has caught up,
// after 2 D: at worst the lengths within this time are half of the real ones, and
// the newest interval seems to lie in the future. A process that starts while the
// newest interval is in the future does not know how much time has passed: its
// first interval begins where the newest one ends.
package outcome
