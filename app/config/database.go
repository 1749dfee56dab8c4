package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Database are the settings of where values are kept.
type Database struct {
	DatabaseURL string
	DBTimeout   time.Duration
	PollLease   time.Duration
	DataDir     string
}

func defaultDatabase() Database {
	return Database{PollLease: 30 * time.Second, DataDir: "./data"}
}

func (s *Database) declare(d *declaration) {
	d.secret(&s.DatabaseURL, "database-url", "DATABASE_URL", "mongodb:// or mongodb+srv:// URL; empty: the embedded store", redactMongo)
	d.add(&s.DBTimeout, "db-timeout", "DB_TIMEOUT", "how long to wait for the database at the start; 0: without end, not ready meanwhile")
	d.add(&s.PollLease, "poll-lease", "POLL_LEASE", "how long an instance that vanished keeps the others of its database from polling, at least 1s")
	d.add(&s.DataDir, "data-dir", "DATA_DIR", "directory of the embedded store")
}

func (s *Database) check(r *report) {
	if s.DBTimeout < 0 {
		r.bad("DB_TIMEOUT=%s is negative: 0s waits without end", s.DBTimeout)
	}
	if s.PollLease < time.Second {
		r.bad("POLL_LEASE=%s is too short: at least 1s", s.PollLease)
	}
	if s.DatabaseURL = strings.TrimSpace(s.DatabaseURL); s.DatabaseURL != "" {
		r.err(checkMongo(s.DatabaseURL))
		return
	}
	if s.DataDir == "" {
		r.bad("DATA_DIR is empty: a directory for the embedded store is expected, for example ./data")
		return
	}
	checkDir(r, "DATA_DIR", s.DataDir)
}

// checkDir finds what no later moment can mend: the directory itself is made
// when it is needed.
func checkDir(r *report, name, path string) {
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			r.bad("%s=%s cannot be used: %s is a file, a directory is expected", name, path, dir)
		}
		if err == nil || dir == filepath.Dir(dir) {
			return
		}
	}
}

const mongoForm = "mongodb://[user:password@]host[:port][,host…][/database][?options] is expected"

// checkMongo checks a connection string without asking any server. The driver's
// words are not repeated: they hold parts of passwords.
func checkMongo(text string) error {
	plain := text
	if rest, srv := strings.CutPrefix(text, "mongodb+srv://"); srv {
		// The driver would look up the hosts; that the name is not resolved may
		// pass, and is no matter of the settings.
		_, _, hosts, _, query := cutURL(text)
		if hosts == "" || strings.ContainsAny(hosts, ",:") {
			return errors.New("DATABASE_URL cannot be used: behind mongodb+srv:// one host without a port is expected")
		}
		plain = "mongodb://" + strings.TrimSuffix(rest, "?"+query)
		if kept := withoutSRV(query); kept != "" {
			plain += "?" + kept
		}
	} else if !strings.HasPrefix(text, "mongodb://") {
		return errors.New("DATABASE_URL must begin with mongodb:// or mongodb+srv://, or be empty for the embedded store")
	}
	settings := options.Client().ApplyURI(plain)
	err := settings.Validate()
	if err == nil {
		if strings.HasPrefix(text, "mongodb+srv://") && settings.Direct != nil && *settings.Direct {
			return errors.New("DATABASE_URL cannot be used: directConnection does not go with mongodb+srv://")
		}
		return nil
	}
	said := strings.ToLower(err.Error())
	for _, option := range harmless {
		if len(option) > 1 && strings.Contains(said, option) && strings.Contains(strings.ToLower(text), option+"=") {
			return fmt.Errorf("DATABASE_URL cannot be used: its option %s has a value that cannot be used, or does not go with the others", option)
		}
	}
	switch {
	case strings.Contains(said, "no such file"), strings.Contains(said, "permission denied"):
		return errors.New("DATABASE_URL cannot be used: a file that its options name cannot be read")
	case strings.Contains(said, "port"):
		return fmt.Errorf("DATABASE_URL cannot be used: it has a port that is none, 1 to 65535 are allowed; %s", mongoForm)
	case strings.Contains(said, "escape"), strings.Contains(said, "user"), strings.Contains(said, "password"):
		return fmt.Errorf("DATABASE_URL cannot be used: in its user and password the signs : / ? # [ ] @ %% are written as %%3A %%2F %%3F %%23 %%5B %%5D %%40 %%25; %s", mongoForm)
	}
	return fmt.Errorf("DATABASE_URL cannot be used: %s", mongoForm)
}

// withoutSRV takes the options away that only mongodb+srv:// has.
func withoutSRV(query string) string {
	var kept []string
	for option := range strings.SplitSeq(query, "&") {
		if !strings.HasPrefix(strings.ToLower(option), "srv") {
			kept = append(kept, option)
		}
	}
	return strings.Join(kept, "&")
}
