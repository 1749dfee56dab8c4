package config

import "time"

// History are the settings of the rows that are kept and answered.
type History struct {
	Retention time.Duration
	// HistorySize bounds the rows in bytes; 0: not at all.
	HistorySize int64
	// ArchiveDir takes rows before they are deleted; empty: they are deleted.
	ArchiveDir      string
	HistoryMax      int
	HistoryMaxBytes int
}

func defaultHistory() History {
	return History{Retention: 168 * time.Hour, HistoryMax: 50_000, HistoryMaxBytes: 16 << 20}
}

func (s *History) declare(d *declaration) {
	d.add(&s.Retention, "history-retention", "HISTORY_RETENTION", "age at which history is deleted")
	d.add(size[int64]{&s.HistorySize}, "history-size", "HISTORY_SIZE", "size in bytes from which the oldest history is deleted; 0: no bound")
	d.add(&s.ArchiveDir, "archive-dir", "ARCHIVE_DIR", "directory to which history is written, a compressed file a day, before it is deleted; empty: none")
	d.add(&s.HistoryMax, "history-max-limit", "HISTORY_MAX_LIMIT", "largest number of rows in one metrics:history")
	d.add(size[int]{&s.HistoryMaxBytes}, "history-max-bytes", "HISTORY_MAX_BYTES", "largest metrics:history in bytes, at least 64KiB; past it the rows are thinned evenly")
}

func (s *History) check(r *report) {
	if s.Retention < time.Minute || s.Retention > maxRetention {
		r.bad("HISTORY_RETENTION=%s is out of range: at least 1m, at most %s", s.Retention, maxRetention)
	}
	checkSize(r, "HISTORY_SIZE", s.HistorySize)
	if s.ArchiveDir != "" {
		checkDir(r, "ARCHIVE_DIR", s.ArchiveDir)
	}
	if s.HistoryMax < 1 || s.HistoryMax > 100_000 {
		r.bad("HISTORY_MAX_LIMIT=%d is out of range: 1 to 100000 are allowed", s.HistoryMax)
	}
	if s.HistoryMaxBytes < 64<<10 || s.HistoryMaxBytes > 1<<30 {
		r.bad("HISTORY_MAX_BYTES=%d is out of range: 65536 (64KiB) to 1073741824 (1GiB) are allowed", s.HistoryMaxBytes)
	}
}

// maxRetention is what a TTL index of MongoDB can express, rounded down.
const maxRetention = 68 * 365 * 24 * time.Hour
