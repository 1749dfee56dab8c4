// Package rollup keeps the history of values in tiers of minutes, hours and days
// beside its rows, and answers questions about any range from them.
//
// A value holds until the next row. Each point of a tier tells of one field of
// the value for how long it was watched, its sum weighted by that time, its
// least, greatest and last value, how many rows there were, and how the values
// were distributed. Time in which a region was down or nobody polled it counts
// for nothing; time before the region's first poll outcome, which is history of
// an older version or of another backend, counts as watched.
//
// Runner keeps the tiers up to date, Read answers questions about one field, and
// Rows makes history rows of points whose own rows are gone.
package rollup
