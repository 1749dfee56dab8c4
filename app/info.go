package app

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/app/logging"
	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/store"
	"github.com/gin-gonic/gin"
)

// info answers with what this server is, how it works and why. It holds nothing
// secret.
func (a *App) info(c *gin.Context) {
	config, _ := a.settings.get()
	upstream := "http"
	if config.Simulated() {
		upstream = "simulator"
	}
	catalog := a.Catalog()
	writeJSON(c.Writer, http.StatusOK, struct {
		Version       string   `json:"version"`
		Environment   string   `json:"environment"`
		Websocket     bool     `json:"websocket_enabled"`
		WebsocketOnly bool     `json:"websocket_only_metrics"`
		Redis         bool     `json:"redis_enabled"`
		APIs          []string `json:"external_apis"`
		Upstream      string   `json:"upstream"`
		storeInfo
		Connections any          `json:"connections"`
		Cluster     *clusterInfo `json:"cluster,omitempty"`
		Clock       clockInfo    `json:"clock"`
		Faults      int64        `json:"faults"`
		// Errors are the warnings and errors of the log, by kind, the latest first.
		Errors   []logging.Kind `json:"errors"`
		Overall  health.State   `json:"overall"`
		Started  time.Time      `json:"started"`
		Build    buildInfo      `json:"build"`
		Modes    modesInfo      `json:"modes"`
		Regions  []apiInfo      `json:"regions"`
		Leases   []leaseInfo    `json:"leases,omitempty"`
		Alerts   alertsInfo     `json:"alerts"`
		Limits   limitsInfo     `json:"limits"`
		Settings settingsInfo   `json:"config"`
	}{
		a.opts.Version, config.Environment, true, true, a.redis != nil, catalog.Names(), upstream, a.describeStore(),
		connections(a.sockets.Counts()), a.describeCluster(), a.clock.describe(), a.panics.Load(), a.logs.Errors.Kinds(),
		a.board.Overall(), a.started.UTC(), build(), a.modes(), regions(catalog), a.leases(), describeAlerts(config), a.limits(), a.describeSettings(),
	})
}

// connections shows the counters of the dashboards' connections.
func connections(s engineio.Stats) any {
	return struct {
		Open    int                        `json:"open"`
		Opened  uint64                     `json:"opened"`
		Closed  map[engineio.Reason]uint64 `json:"closed"`
		Limited map[engineio.Limit]uint64  `json:"limited"`
	}{s.Open, s.Opened, s.Closed, s.Limited}
}

// buildInfo says what was built.
type buildInfo struct {
	Go string `json:"go"`
	// System is the operating system and the processor.
	System string `json:"system"`
	// Commit and CommitTime are those of the source; Modified: it was changed
	// since. They are missing where the source was no repository.
	Commit     string `json:"commit,omitempty"`
	CommitTime string `json:"commit_time,omitempty"`
	Modified   bool   `json:"modified,omitempty"`
}

func build() buildInfo {
	b := buildInfo{Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	known, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range known.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.CommitTime = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// modesInfo says in which ways the server works, and why.
type modesInfo struct {
	Store  string `json:"store"`
	Change string `json:"changes"`
	Redis  string `json:"redis"`
	Polls  string `json:"polls"`
	// Transports are those that dashboards may use.
	Transports  []string `json:"transports"`
	Compression string   `json:"compression"`
	Recovery    string   `json:"recovery"`
	EIO3        bool     `json:"engine_io_3"`
}

func (a *App) modes() modesInfo {
	c := a.opts.Config
	m := modesInfo{
		Store:       "embedded: DATABASE_URL is not set",
		Change:      "of this process, which alone writes its file",
		Redis:       "none: REDIS_HOST is not set, this instance is alone",
		Polls:       "this instance: no other can open its file",
		Transports:  []string{"polling", "websocket"},
		Compression: "none: WEBSOCKET_COMPRESSION is 0",
		Recovery:    "none: CONNECTION_RECOVERY is 0s",
		EIO3:        c.AllowEIO3,
	}
	if a.buffer != nil {
		m.Store, m.Change = "mongodb: DATABASE_URL is set", "not followed yet: the database was not reached"
		m.Polls = "whoever has the lease of the API"
		if db := a.mongo.Load(); db != nil {
			m.Change = db.Mode().Following
			if why := db.Mode().Why; why != "" {
				m.Change += ": " + why
			}
		}
	}
	if a.redis != nil {
		m.Redis = "classic"
		if c.RedisSharded {
			m.Redis = "sharded"
		}
	}
	if c.Compression > 0 {
		m.Compression = "permessage-deflate, where the dashboard offers it"
	}
	if c.Recovery > 0 {
		m.Recovery = "for " + c.Recovery.String()
	}
	return m
}

// apiInfo is one API with its regions; titles are for people.
type apiInfo struct {
	API     string       `json:"api"`
	Title   string       `json:"title,omitempty"`
	Regions []regionInfo `json:"regions"`
}

type regionInfo struct {
	Name  string `json:"name"`
	Title string `json:"title,omitempty"`
}

func regions(c store.Catalog) []apiInfo {
	all := make([]apiInfo, len(c))
	for i, api := range c {
		all[i] = apiInfo{API: api.Name, Title: api.Title, Regions: make([]regionInfo, len(api.Regions))}
		for j, region := range api.Regions {
			all[i].Regions[j] = regionInfo(region)
		}
	}
	return all
}

// leaseInfo says who polls an API.
type leaseInfo struct {
	API string `json:"api"`
	// Mine says that this instance does. Holder is the name of the one that does:
	// host, process and a random number; empty where it is not known.
	Mine   bool       `json:"mine"`
	Holder string     `json:"holder,omitempty"`
	Until  *time.Time `json:"until,omitempty"`
}

// leases are those of the APIs; none with the embedded store.
func (a *App) leases() (all []leaseInfo) {
	p := a.pollers.Load()
	if a.buffer == nil || p == nil {
		return nil
	}
	for _, api := range a.Catalog() {
		s := a.leaseStatus(api.Name)
		l := leaseInfo{API: api.Name, Mine: s.Mine, Holder: s.Holder, Until: known(s.Until)}
		if s.Mine {
			l.Holder = p.holder
		}
		all = append(all, l)
	}
	return all
}

// limitsInfo are the bounds that this server sets to others.
type limitsInfo struct {
	MaxMemory           int64   `json:"max_memory_bytes"`
	Waiting             int64   `json:"waiting_bytes"`
	MaxWaiting          int64   `json:"max_waiting_bytes"`
	MaxBacklog          int     `json:"max_backlog_bytes"`
	MaxPerAddress       int     `json:"max_connections_per_address"`
	HandshakesPerSecond float64 `json:"handshakes_per_second"`
	MaxEventRate        float64 `json:"max_event_rate"`
	HistoryMax          int     `json:"history_max_limit"`
	HistoryMaxBytes     int     `json:"history_max_bytes"`
}

func (a *App) limits() limitsInfo {
	c, memory := a.opts.Config, a.sockets.Memory()
	return limitsInfo{
		c.MaxMemory, memory.Used(), memory.Max(), c.MaxBacklog, c.MaxPerAddress, c.HandshakesPerSecond, c.MaxEventRate, c.HistoryMax, c.HistoryMaxBytes,
	}
}

// settingsInfo says which settings are in effect, without telling them.
type settingsInfo struct {
	// Digest is the same on two instances with the same settings.
	Digest string    `json:"digest"`
	Loaded time.Time `json:"loaded"`
}

func (a *App) describeSettings() settingsInfo {
	c, loaded := a.settings.get()
	return settingsInfo{c.Digest(), loaded.UTC()}
}
