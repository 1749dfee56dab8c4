// Package config holds the settings of the program: what each is called, what
// it is when nobody sets it, and what cannot work. Each group of settings has a
// file that declares and checks it; Load reads flags, the environment and the
// settings file, in this order.
package config

import "strings"

// Config holds the effective settings, group by group.
type Config struct {
	Server
	Database
	Redis
	Upstream
	Polling
	State
	History
	Rollup
	Clients
	AdminUI
	Log
	Tracing
	Metrics
	Alerting
	Memory

	files   map[string]string // the file that a setting was read from
	origins map[string]string // where a setting, or a value of an API, comes from
	apis    []API             // of the YAML file
	regions []Region          // its list of all regions: names and titles
	alerts  alerts            // what it says of them
}

// group is one group of settings. Its check puts the values into the form that
// the rest relies on and reports what cannot be used.
type group interface {
	declare(d *declaration)
	check(r *report)
}

// groups returns the groups in the order in which help and Lines show them.
func (c *Config) groups() []group {
	return []group{
		&c.Server, &c.Database, &c.Redis, &c.Upstream, &c.Polling, &c.State, &c.History, &c.Rollup, &c.Clients,
		&c.AdminUI, &c.Log, &c.Tracing, &c.Metrics, &c.Alerting, &c.Memory,
	}
}

// Default returns the settings of a machine where nothing is set.
func Default() Config {
	return Config{
		Server:   defaultServer(),
		Database: defaultDatabase(),
		Redis:    defaultRedis(),
		Polling:  defaultPolling(),
		State:    defaultState(),
		History:  defaultHistory(),
		Rollup:   defaultRollup(),
		Clients:  defaultClients(),
		AdminUI:  defaultAdminUI(),
		Log:      defaultLog(),
		Tracing:  defaultTracing(),
		Metrics:  defaultMetrics(),
		Alerting: defaultAlerting(),
	}
}

// Error lists the settings that cannot be used; the program exits with 78.
type Error struct {
	// Problems has one sentence for each.
	Problems []string
}

// Error returns the sentences, one a line.
func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }
