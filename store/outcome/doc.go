// Package outcome does arithmetic on the results of polling: how long a region
// was up, degraded, down and unwatched, and which incidents there were. It reads
// the intervals of a store one after the other and keeps none of them.
//
// # What the figures mean
//
// Time that no interval covers is unknown, never up. Time before the first poll
// of a region does not count at all, and neither does the time after the last
// poll as long as the next one is not overdue: nothing is known of it yet. Once
// the next poll is overdue it is unknown.
//
// An incident is a run of down. What is unknown in between does not end it, and
// does not count as down; a poll that finds the region up or degraded ends it.
package outcome
