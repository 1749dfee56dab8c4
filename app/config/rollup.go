package config

import "time"

// Rollup are the settings of the tiers, in which the history is kept beyond its
// rows.
type Rollup struct {
	// Minutes, Hours and Days are how much is kept of each tier.
	Minutes, Hours, Days RollupTier
	RollupInclude        []string
	RollupExclude        []string
	RollupMaxFields      int
}

// RollupTier bounds a tier by age and by size in bytes; 0: not at all.
type RollupTier struct {
	Retention time.Duration
	Size      int64
}

const day = 24 * time.Hour

func defaultRollup() Rollup {
	return Rollup{Minutes: RollupTier{Retention: 30 * day}, Hours: RollupTier{Retention: 730 * day}, RollupMaxFields: 100}
}

// tier says how a tier is called in the settings.
type tier struct {
	*RollupTier
	flag, env, points string
	// minimum is the least age: the next tier is made of this one.
	minimum time.Duration
}

func (s *Rollup) tiers() []tier {
	return []tier{
		{&s.Minutes, "rollup-1m", "ROLLUP_1M", "one point a minute", 2 * day},
		{&s.Hours, "rollup-1h", "ROLLUP_1H", "one point an hour", 7 * day},
		{&s.Days, "rollup-1d", "ROLLUP_1D", "one point a day", 32 * day},
	}
}

func (s *Rollup) declare(d *declaration) {
	for _, t := range s.tiers() {
		d.add(&t.Retention, t.flag+"-retention", t.env+"_RETENTION", "age at which history of "+t.points+" is deleted; 0: never")
		d.add(size[int64]{&t.Size}, t.flag+"-size", t.env+"_SIZE", "size in bytes from which the oldest history of "+t.points+" is deleted; 0: no bound")
	}
	d.add(&s.RollupMaxFields, "rollup-max-fields", "ROLLUP_MAX_FIELDS", "largest number of fields of which points are kept, in the order in which they are found")
	d.add(&list{texts: &s.RollupInclude, separator: ","}, "rollup-include", "ROLLUP_INCLUDE", "patterns of the fields of which points are kept, * stands for any characters; empty: every number; repeatable")
	d.add(&list{texts: &s.RollupExclude, separator: ","}, "rollup-exclude", "ROLLUP_EXCLUDE", "patterns of the fields of which none are kept; repeatable")
}

func (s *Rollup) check(r *report) {
	for _, t := range s.tiers() {
		if t.Retention != 0 && (t.Retention < t.minimum || t.Retention > maxRetention) {
			r.bad("%s_RETENTION=%s is out of range: 0 for ever, or %s to %s are allowed", t.env, t.Retention, t.minimum, maxRetention)
		}
		checkSize(r, t.env+"_SIZE", t.Size)
	}
	if s.RollupMaxFields < 1 || s.RollupMaxFields > 10_000 {
		r.bad("ROLLUP_MAX_FIELDS=%d is out of range: 1 to 10000 are allowed", s.RollupMaxFields)
	}
}

func checkSize(r *report, name string, bytes int64) {
	if bytes != 0 && bytes < 1<<20 {
		r.bad("%s=%d is too small: at least 1048576 (1MiB), or 0 for no bound", name, bytes)
	}
}
