package app

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/joho/godotenv"
	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"github.com/devops-insights/devops-insights/socket/redisadapter"
)

// Config holds the effective settings. DefaultConfig says what each is when
// nobody sets it; setting names the flag, the environment variable and the
// meaning.
type Config struct {
	Host            string
	Port            int
	InternalAddr    string
	PortOffset      int
	Environment     string
	DatabaseURL     string
	DBTimeout       time.Duration
	PollLease       time.Duration
	APIName         string
	UpstreamURL     string
	UpstreamHeaders []string
	ClientURL       string
	PollInterval    time.Duration
	PollIntervals   []string
	PollTimeout     time.Duration
	DataDir         string
	Retention       time.Duration
	HistoryMax      int
	LogLevel        string
	DrainTimeout    time.Duration
	DrainDelay      time.Duration
	DrainSpread     time.Duration
	Clients         Clients
	Redis
}

// DefaultConfig returns the settings of a machine where nothing is set.
func DefaultConfig() Config {
	return Config{
		Port: 5000, Environment: "development", PollInterval: 30 * time.Second,
		PollLease: 30 * time.Second,
		DataDir:   "./data", Retention: 168 * time.Hour, HistoryMax: 1000,
		LogLevel: "info", DrainTimeout: 10 * time.Second, DrainSpread: 2 * time.Second,
		Redis:   Redis{RedisPrefix: "socket.io", RedisSubscriptions: string(redisadapter.Dynamic)},
		Clients: Clients{MaxEventRate: 1000, MaxBacklog: 16 << 20, Compression: 1024},
	}
}

// simulatedInterval is the poll interval where nobody sets one and no upstream
// is configured: the stand-in changes that often, and a fresh machine should
// show it.
const simulatedInterval = 4 * time.Second

// ConfigError is a setting that cannot be used; the program exits with 78.
type ConfigError struct{ Problems []string }

// Error lists every problem, one a line.
func (e *ConfigError) Error() string { return strings.Join(e.Problems, "\n") }

// setting binds one value to its flag and its environment variables.
type setting struct {
	flag   string
	env    []string
	usage  string
	secret bool
	value  pflag.Value
}

func (c *Config) settings() (*pflag.FlagSet, []setting) {
	f := pflag.NewFlagSet("devops-insights", pflag.ContinueOnError)
	f.SortFlags = false
	var all []setting
	add := func(flag string, secret bool, env ...string) {
		known := f.Lookup(flag)
		all = append(all, setting{flag: flag, env: env, usage: known.Usage, secret: secret, value: known.Value})
	}
	f.StringVar(&c.Host, "host", c.Host, "address to listen on; empty: all")
	add("host", false, "SERVER_HOST")
	f.IntVar(&c.Port, "port", c.Port, "port of the dashboards, 0 to 65535 (0: any free one)")
	add("port", false, "SERVER_PORT", "PORT")
	f.StringVar(&c.InternalAddr, "internal-addr", c.InternalAddr, "second listener for /livez and /readyz, host:port; empty: none")
	add("internal-addr", false, "INTERNAL_ADDR")
	f.IntVar(&c.PortOffset, "port-offset", c.PortOffset, "added to both ports: the number of this instance, where one machine has several")
	add("port-offset", false, "PORT_OFFSET")
	f.StringVar(&c.Environment, "environment", c.Environment, "name of the environment, shown by /api/v1/info")
	add("environment", false, "NODE_ENV")
	f.StringVar(&c.DatabaseURL, "database-url", c.DatabaseURL, "mongodb:// or mongodb+srv:// URL; empty: the embedded store")
	add("database-url", true, "DATABASE_URL")
	f.DurationVar(&c.DBTimeout, "db-timeout", c.DBTimeout, "how long to wait for the database at the start; 0: without end, not ready meanwhile")
	add("db-timeout", false, "DB_TIMEOUT")
	f.DurationVar(&c.PollLease, "poll-lease", c.PollLease, "how long an instance that vanished keeps the others of its database from polling, at least 1s")
	add("poll-lease", false, "POLL_LEASE")
	c.redisSettings(f, add)
	f.StringVar(&c.APIName, "api", c.APIName, "name of the upstream API; empty: demo, from the simulator")
	add("api", false, "EXTERNAL_API_NAME")
	f.StringVar(&c.UpstreamURL, "upstream", c.UpstreamURL, "URL template of the upstream with {source} and {api}")
	add("upstream", true, "UPSTREAM_URL")
	f.StringArrayVar(&c.UpstreamHeaders, "upstream-header", c.UpstreamHeaders, "header for the upstream, \"Name: value\"; repeatable")
	add("upstream-header", true, "UPSTREAM_HEADERS")
	f.StringVar(&c.ClientURL, "client-url", c.ClientURL, "origins that may read answers, separated by commas; empty: all")
	add("client-url", false, "CLIENT_URL")
	f.DurationVar(&c.PollInterval, "poll-interval", c.PollInterval, "time between two polls of a region, at least 100ms")
	add("poll-interval", false, "POLL_INTERVAL")
	f.StringSliceVar(&c.PollIntervals, "poll-interval-of", c.PollIntervals, "interval of one region, region=duration; repeatable")
	add("poll-interval-of", false, "POLL_INTERVALS")
	f.DurationVar(&c.PollTimeout, "poll-timeout", c.PollTimeout, "time for one poll; 0 and the maximum: 80% of its interval")
	add("poll-timeout", false, "POLL_TIMEOUT")
	f.StringVar(&c.DataDir, "data-dir", c.DataDir, "directory of the embedded store")
	add("data-dir", false, "DATA_DIR")
	f.DurationVar(&c.Retention, "history-retention", c.Retention, "age at which history is deleted")
	add("history-retention", false, "HISTORY_RETENTION")
	f.IntVar(&c.HistoryMax, "history-max-limit", c.HistoryMax, "largest number of rows in one metrics:history")
	add("history-max-limit", false, "HISTORY_MAX_LIMIT")
	f.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warning or error")
	add("log-level", false, "LOG_LEVEL")
	f.DurationVar(&c.DrainTimeout, "drain-timeout", c.DrainTimeout, "time for an orderly shutdown")
	add("drain-timeout", false, "DRAIN_TIMEOUT")
	f.DurationVar(&c.DrainDelay, "drain-delay", c.DrainDelay, "time between not ready and the first disconnect, for the balancer to notice")
	add("drain-delay", false, "DRAIN_DELAY")
	f.DurationVar(&c.DrainSpread, "drain-spread", c.DrainSpread, "time over which the dashboards are disconnected")
	add("drain-spread", false, "DRAIN_SPREAD")
	c.Clients.settings(f, add)
	return f, all
}

// LoadConfig reads the settings: flag before environment before the file
// (CONFIG_FILE, else .env if there is one) before default. getenv is
// os.LookupEnv in the program. The warnings are for the log. An error is a
// *ConfigError, or pflag.ErrHelp after the usage was printed.
func LoadConfig(args []string, getenv func(string) (string, bool)) (c Config, warnings []string, err error) {
	c = DefaultConfig()
	flags, settings := c.settings()
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return c, nil, err
		}
		return c, nil, &ConfigError{Problems: []string{err.Error() + "; devops-insights --help lists the flags"}}
	}
	var problems []string
	if flags.NArg() > 0 {
		problems = append(problems, fmt.Sprintf("%q is not a command: serve, healthcheck, config and version are", flags.Arg(0)))
	}
	lookup, err := withFile(getenv)
	if err != nil {
		problems = append(problems, err.Error())
		lookup = getenv
	}
	for _, s := range settings {
		name, text := "", ""
		for _, env := range s.env {
			v, ok := lookup(env)
			if !ok || v == "" {
				continue
			}
			switch {
			case name == "":
				name, text = env, v
			case v != text:
				warnings = append(warnings, fmt.Sprintf("%s=%s and %s=%s differ: %s is used", name, text, env, v, name))
			}
		}
		if name == "" || flags.Changed(s.flag) {
			continue
		}
		if err := flags.Set(s.flag, text); err != nil {
			shown := text
			if s.secret {
				shown = "…"
			}
			problems = append(problems, fmt.Sprintf("%s=%q cannot be used (%s): it sets the %s", name, shown, s.value.Type(), s.usage))
		}
	}
	problems = append(problems, c.normalise()...)
	if c.Simulated() && !flags.Changed("poll-interval") {
		c.PollInterval = simulatedInterval
	}
	if len(problems) > 0 {
		return c, warnings, &ConfigError{Problems: problems}
	}
	return c, warnings, nil
}

// withFile puts the file's values behind the environment's.
func withFile(getenv func(string) (string, bool)) (func(string) (string, bool), error) {
	path, named := getenv("CONFIG_FILE")
	if !named || path == "" {
		path, named = ".env", false
	}
	values, err := godotenv.Read(path)
	if err != nil {
		if !named && errors.Is(err, fs.ErrNotExist) {
			return getenv, nil
		}
		return nil, fmt.Errorf("the settings file %s cannot be read: %w", path, err)
	}
	return func(name string) (string, bool) {
		if v, ok := getenv(name); ok {
			return v, true
		}
		v, ok := values[name]
		return v, ok
	}, nil
}

// normalise puts the settings into the form the rest relies on and returns a
// sentence for each that is out of bounds.
func (c *Config) normalise() (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	c.APIName = strings.ToLower(strings.TrimSpace(c.APIName))
	if strings.ContainsAny(c.APIName, ":/?#@ \t\r\n\x00") {
		bad("EXTERNAL_API_NAME=%q is not a name: letters, digits, dots and hyphens are allowed", c.APIName)
	}
	if c.Port < 0 || c.Port > 65535 {
		bad("SERVER_PORT=%d is no port: 0 to 65535 are allowed", c.Port)
	}
	if c.PortOffset < 0 || c.Port+c.PortOffset > 65535 {
		bad("PORT_OFFSET=%d cannot be used: SERVER_PORT and it are together at most 65535", c.PortOffset)
	}
	if c.PollInterval < 100*time.Millisecond {
		bad("POLL_INTERVAL=%s is too short: at least 100ms", c.PollInterval)
	}
	if c.Retention < time.Minute {
		bad("HISTORY_RETENTION=%s is too short: at least 1m", c.Retention)
	}
	if c.HistoryMax < 1 || c.HistoryMax > 100_000 {
		bad("HISTORY_MAX_LIMIT=%d is out of range: 1 to 100000 are allowed", c.HistoryMax)
	}
	if c.DBTimeout < 0 {
		bad("DB_TIMEOUT=%s is negative: 0s waits without end", c.DBTimeout)
	}
	if c.PollLease < time.Second {
		bad("POLL_LEASE=%s is too short: at least 1s", c.PollLease)
	}
	if c.DrainTimeout < 0 {
		bad("DRAIN_TIMEOUT=%s is negative", c.DrainTimeout)
	}
	if _, err := logrus.ParseLevel(c.LogLevel); err != nil {
		bad("LOG_LEVEL=%q is unknown: debug, info, warning and error are allowed", c.LogLevel)
	}
	if c.DatabaseURL != "" {
		if !strings.HasPrefix(c.DatabaseURL, "mongodb://") && !strings.HasPrefix(c.DatabaseURL, "mongodb+srv://") {
			bad("DATABASE_URL must begin with mongodb:// or mongodb+srv://, or be empty for the embedded store")
		}
	}
	if c.DrainDelay < 0 || c.DrainSpread < 0 || c.DrainDelay+c.DrainSpread > max(c.DrainTimeout, time.Second) {
		bad("DRAIN_DELAY=%s and DRAIN_SPREAD=%s must not be negative and together fit into DRAIN_TIMEOUT=%s", c.DrainDelay, c.DrainSpread, c.DrainTimeout)
	}
	if c.RedisHost != "" {
		if _, err := c.redis(); err != nil {
			bad("%s", err)
		}
	} else if c.RedisRequired {
		bad("REDIS_REQUIRED is true, but REDIS_HOST is not set")
	}
	problems = append(problems, c.Clients.problems()...)
	if _, err := c.intervals(); err != nil {
		bad("%s", err)
	}
	if _, err := c.headers(); err != nil {
		bad("%s", err)
	}
	return problems
}

// ListenPort returns the port of this instance; 0 is any free one.
func (c *Config) ListenPort() int {
	if c.Port == 0 {
		return 0
	}
	return c.Port + c.PortOffset
}

// internalAddr returns the internal address of this instance.
func (c *Config) internalAddr() string {
	host, port, err := net.SplitHostPort(c.InternalAddr)
	n, notANumber := strconv.Atoi(port)
	if err != nil || notANumber != nil || n == 0 {
		return c.InternalAddr // as it is; listening says what is wrong with it
	}
	return net.JoinHostPort(host, strconv.Itoa(n+c.PortOffset))
}

// intervals returns the regions that have an interval of their own.
func (c *Config) intervals() (map[string]time.Duration, error) {
	of := make(map[string]time.Duration)
	for _, pair := range c.PollIntervals {
		region, text, found := strings.Cut(pair, "=")
		d, err := time.ParseDuration(text)
		if !found || err != nil || d < 100*time.Millisecond {
			return nil, fmt.Errorf("POLL_INTERVALS has %q: region=duration is expected, for example eu-west=10s, at least 100ms", pair)
		}
		of[strings.ToLower(strings.TrimSpace(region))] = d
	}
	return of, nil
}

func (c *Config) headers() (http.Header, error) {
	h := make(http.Header)
	for _, line := range c.UpstreamHeaders {
		name, value, found := strings.Cut(line, ":")
		if !found || strings.TrimSpace(name) == "" {
			return nil, errors.New("UPSTREAM_HEADERS has a line without a colon: \"Name: value\" is expected")
		}
		h.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return h, nil
}

// Simulated reports whether no upstream is configured.
func (c *Config) Simulated() bool { return c.APIName == "" && c.UpstreamURL == "" }

// API returns the api name on the wire: "demo" where none is configured.
func (c *Config) API() string {
	if c.APIName == "" {
		return "demo"
	}
	return c.APIName
}

// Lines returns the effective settings as NAME=value, with secrets redacted.
func (c *Config) Lines() []string {
	_, settings := c.settings()
	lines := make([]string, len(settings))
	for i, s := range settings {
		text := s.value.String()
		if s.secret && text != "" && text != "[]" {
			text = redact(text)
		}
		lines[i] = s.env[0] + "=" + text
	}
	return lines
}

// redact keeps what helps to recognise a URL and hides what opens doors.
func redact(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "(set, not shown)"
	}
	if u.User != nil {
		u.User = url.UserPassword("redacted", "redacted")
	}
	if u.RawQuery != "" {
		u.RawQuery = "redacted"
	}
	return u.String()
}
