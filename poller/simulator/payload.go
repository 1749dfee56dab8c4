package simulator

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/devops-insights/devops-insights/store/jsjson"
)

// payload is the shape of the status API, keys in its order.
type payload struct {
	Status      string   `json:"status"`
	ServerIssue *string  `json:"server_issue"`
	Strict      bool     `json:"strict"`
	Version     string   `json:"version"`
	Roles       []string `json:"roles"`
	Results     results  `json:"results"`
}

type results struct {
	Stats struct {
		Online       int    `json:"online"`
		ServersCount int    `json:"servers_count"`
		Session      int    `json:"session"`
		Server       server `json:"server"`
	} `json:"stats"`
	Services struct {
		Redis    bool `json:"redis"`
		Database bool `json:"database"`
	} `json:"services"`
	Performance struct {
		ResponseTimes struct {
			P50 int `json:"p50"`
			P95 int `json:"p95"`
			P99 int `json:"p99"`
		} `json:"response_times"`
		ErrorRate float64 `json:"error_rate"`
		RPS       int     `json:"requests_per_second"`
		Uptime    float64 `json:"uptime_percent"`
	} `json:"performance"`
	Deployment struct {
		Last     string  `json:"last_deployment"`
		Build    string  `json:"build_status"`
		Version  string  `json:"version_number"`
		Rollback bool    `json:"rollback_ready"`
		Failed   int     `json:"failed_deployments_last_week"`
		Minutes  int     `json:"deployment_duration_minutes"`
		LastBack *string `json:"last_rollback"`
	} `json:"deployment"`
	Memory struct {
		Usage       float64 `json:"usage_percent"`
		AvailableMB int     `json:"available_mb"`
		TotalMB     int     `json:"total_mb"`
		Swap        float64 `json:"swap_usage_percent"`
		Total       int     `json:"total"`
		Used        float64 `json:"used"`
		Available   float64 `json:"available"`
	} `json:"memory"`
	Storage struct {
		Disk   float64 `json:"disk_usage_percent"`
		IOWait float64 `json:"io_wait_percent"`
		Reads  int     `json:"read_ops_per_sec"`
		Writes int     `json:"write_ops_per_sec"`
	} `json:"storage"`
	Network struct {
		In      int `json:"bytes_in_per_sec"`
		Out     int `json:"bytes_out_per_sec"`
		Dropped int `json:"packets_dropped"`
		Latency int `json:"latency_ms"`
	} `json:"network"`
	Alerts struct {
		Critical  int `json:"critical_alerts"`
		Warning   int `json:"warning_alerts"`
		Info      int `json:"info_alerts"`
		Active    int `json:"active_alerts"`
		Escalated int `json:"escalated_alerts"`
		Response  int `json:"alert_response_time"`
	} `json:"alerts"`
	Security struct {
		Threat       string `json:"threat_level"`
		Score        int    `json:"vulnerability_score"`
		FailedAuth   int    `json:"failed_auth_attempts"`
		Blocks       int    `json:"firewall_blocks"`
		FailedLogins int    `json:"failed_logins"`
		BlockedIPs   int    `json:"blocked_ips"`
		CertDays     int    `json:"ssl_cert_days"`
	} `json:"security"`
}

type server struct {
	CPUs        int     `json:"cpus"`
	CPULoad     float64 `json:"cpu_load"`
	Connections int     `json:"active_connections"`
	WaitTime    int     `json:"wait_time"`
	Workers     []pair  `json:"workers"`
	Timers      int     `json:"timers"`
	WorkerCount int     `json:"worker_count"`
	AvgLoad     int     `json:"avg_worker_load"`
	Overloaded  int     `json:"overloaded_workers"`
	Active      int     `json:"active_workers"`
	Memory      int     `json:"total_worker_memory"`
}

// pair is a JSON array of a name and a value.
type pair [2]any

type worker struct {
	Workers      int      `json:"workers"`
	Idle         int      `json:"idle"`
	Waiting      int      `json:"waiting"`
	WaitTime     int      `json:"wait_time"`
	TimeToReturn int      `json:"time_to_return"`
	Blocked      []string `json:"recently_blocked_keys"`
	Top          []pair   `json:"top_keys"`
}

func (s *Simulator) payload(place string, step int64, st state) payload {
	r := s.random(place+"/step", step)
	fixed := s.random(place, 0)
	walk := func(word string, low, high float64) float64 { return s.walk(place+"/"+word, step, low, high) }
	whole := func(word string, low, high float64) int { return int(walk(word, low, high)) }
	strain := 1.0
	p := payload{Status: "ok", Strict: fixed.IntN(2) == 0, Version: fmt.Sprintf("v%d.%d.%d", 2+fixed.IntN(2), fixed.IntN(10), fixed.IntN(10)), Roles: []string{"api", "worker", "cache"}}
	at := time.Unix(0, step*int64(s.opts.Step)).UTC()
	switch st {
	case degraded:
		strain, p.Status = 2.2, "degraded"
		p.ServerIssue = issue("Latency", "Response times are above their usual range", "HIGH_LATENCY", at)
	case broken:
		strain, p.Status = 3.5, "error"
		p.ServerIssue = issue("Database", "The primary does not accept writes", "DB_PRIMARY_DOWN", at)
	}
	stats := &p.Results.Stats
	stats.Online, stats.ServersCount, stats.Session = whole("online", 20, 90), 1+fixed.IntN(3), whole("session", 200, 600)
	stats.Server = server{
		CPUs: 3 + fixed.IntN(4), CPULoad: min(99, walk("cpu", 25, 70)*min(strain, 1.4)),
		Connections: whole("connections", 6000, 15000), WaitTime: int(walk("wait", 30, 140) * strain), Timers: whole("timers", 4, 12),
	}
	for i, name := range []string{"api-handler-1", "email-sender-2", "data-processor-3", "cache-manager-4"}[:3+fixed.IntN(2)] {
		w := worker{
			Workers: 3 + i, Idle: r.IntN(4), Waiting: r.IntN(4), WaitTime: 40 + r.IntN(400), TimeToReturn: 60 + r.IntN(800),
			Blocked: []string{fmt.Sprintf("key_%06x", r.IntN(1<<24))}, Top: []pair{{fmt.Sprintf("top_%04x", r.IntN(1<<16)), 10 + r.IntN(90)}},
		}
		stats.Server.Workers = append(stats.Server.Workers, pair{name, w})
	}
	stats.Server.WorkerCount = len(stats.Server.Workers)
	stats.Server.AvgLoad, stats.Server.Active, stats.Server.Memory = whole("load", 30, 80), 1+r.IntN(stats.Server.WorkerCount), whole("worker-memory", 1500, 2200)
	if st != healthy {
		stats.Server.Overloaded = 1
	}
	p.Results.Services.Redis, p.Results.Services.Database = true, st != broken
	perf := &p.Results.Performance
	perf.ResponseTimes.P50 = int(walk("p50", 70, 200) * strain)
	perf.ResponseTimes.P95 = perf.ResponseTimes.P50 + int(walk("p95", 150, 320)*strain)
	perf.ResponseTimes.P99 = perf.ResponseTimes.P95 + int(walk("p99", 200, 600)*strain)
	perf.ErrorRate, perf.RPS, perf.Uptime = walk("errors", 0.1, 1.1)*strain*strain, int(walk("rps", 900, 1800)/strain), 100-walk("downtime", 0.1, 1.2)*strain
	deploy := &p.Results.Deployment
	deploy.Last, deploy.Build = at.Truncate(24*time.Hour).Add(-time.Duration(fixed.IntN(12))*time.Hour).Format(jsjson.TimeFormat), "success"
	deploy.Version, deploy.Rollback, deploy.Minutes = fmt.Sprintf("v3.%d.%d", 8+fixed.IntN(6), fixed.IntN(6)), true, 8+fixed.IntN(10)
	mem := &p.Results.Memory
	mem.Usage, mem.TotalMB, mem.Total = min(98, walk("memory", 40, 78)*min(strain, 1.25)), 8192, 8
	mem.AvailableMB, mem.Used, mem.Swap = int(8192*(1-mem.Usage/100)), 8*mem.Usage/100, walk("swap", 1, 20)
	mem.Available = 8 - mem.Used
	disk := &p.Results.Storage
	disk.Disk, disk.IOWait, disk.Reads, disk.Writes = walk("disk", 50, 75), walk("io", 2, 9)*strain, whole("reads", 300, 600), whole("writes", 50, 150)
	net := &p.Results.Network
	net.In, net.Out, net.Dropped, net.Latency = whole("in", 60000, 140000), whole("out", 50000, 130000), int(3*(strain-1)), int(walk("latency", 4, 24)*strain)
	alerts := &p.Results.Alerts
	alerts.Warning, alerts.Info, alerts.Response = whole("warnings", 0, 4), whole("infos", 2, 10), whole("response", 8, 20)
	if st == broken {
		alerts.Critical, alerts.Escalated = 2, 1
	}
	alerts.Active = alerts.Critical + alerts.Warning + alerts.Info
	sec := &p.Results.Security
	sec.Threat, sec.Score, sec.FailedAuth, sec.Blocks = "low", fixed.IntN(12), whole("auth", 2, 20), whole("blocks", 5, 30)
	sec.FailedLogins, sec.BlockedIPs, sec.CertDays = whole("logins", 1, 20), whole("ips", 1, 12), 30+fixed.IntN(100)
	return p
}

// issue is JSON text within the JSON, as the status API has it.
func issue(kind, message, code string, at time.Time) *string {
	text, err := json.Marshal(struct {
		Type      string `json:"type"`
		Message   string `json:"message"`
		Code      string `json:"code"`
		Timestamp string `json:"timestamp"`
	}{kind, message, code, at.Format(jsjson.TimeFormat)})
	if err != nil {
		return nil
	}
	s := string(text)
	return &s
}
