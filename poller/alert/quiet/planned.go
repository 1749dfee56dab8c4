package quiet

import "time"

// Planned is a window of maintenance in the settings: once, from Start to End, or
// again and again, by Cron for Duration.
type Planned struct {
	// Name is its ID; Title and Comment are for people.
	Name, Title, Comment string
	// APIs and Regions are those that are meant; empty: all.
	APIs, Regions []string
	Start, End    time.Time
	// Cron has five fields: minute, hour, day of the month, month, day of the week.
	// They are read in Location; nil: UTC.
	Cron     string
	Duration time.Duration
	Location *time.Location
	// Announce is how long before it dashboards are told of it.
	Announce time.Duration
}
