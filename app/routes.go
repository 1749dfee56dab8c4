package app

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app/page"
	"github.com/devops-insights/devops-insights/socket"
	"github.com/devops-insights/devops-insights/socket/bundle"
	"github.com/devops-insights/devops-insights/socket/engineio"
)

// socketPath is where Socket.IO answers. Without the slash it does not.
const socketPath = "/socket.io/"

// routes returns the handler of the dashboards' address.
func (a *App) routes() http.Handler {
	api := gzhttp.GzipHandler(a.router()) // from 1 KB on, as Express has it
	builtin := page.Handler()
	client := bundle.Handler(allowOrigin(a.opts.Config.ClientURL))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, socketPath) && bundle.Serves(r.URL.Path):
			client.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, socketPath):
			a.sockets.ServeHTTP(w, r)
		case r.URL.Path == "/" || strings.HasPrefix(r.URL.Path, "/assets/"):
			builtin.ServeHTTP(w, r)
		default:
			expressPath(r)
			api.ServeHTTP(w, r)
		}
	})
}

// internalRoutes serves only the probes.
func (a *App) internalRoutes() http.Handler {
	r := newRouter()
	a.probes(r)
	return r
}

// expressPath lets paths match as Express matches them: without regard to
// case, with or without a trailing slash. The region keeps its spelling.
func expressPath(r *http.Request) {
	parts := strings.Split(strings.TrimSuffix(r.URL.EscapedPath(), "/"), "/")
	for i := range parts {
		if i < 4 {
			parts[i] = strings.ToLower(parts[i])
		}
	}
	raw := strings.Join(parts, "/")
	if plain, err := url.PathUnescape(raw); err == nil {
		r.URL.Path, r.URL.RawPath = plain, raw
	}
}

func newRouter() *gin.Engine {
	r := gin.New()
	r.UseRawPath = true
	r.RedirectTrailingSlash = false
	r.Use(gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, _ any) {
		c.AbortWithStatusJSON(http.StatusInternalServerError, gin.H{"error": "Internal server error"})
	}))
	return r
}

func (a *App) router() http.Handler {
	r := newRouter()
	cors := allowOrigin(a.opts.Config.ClientURL)
	r.Use(func(c *gin.Context) {
		cors.Set(c.Writer.Header(), c.Request)
	}, a.logRequest)
	get := func(path string, h gin.HandlerFunc) {
		r.GET(path, h)
		r.HEAD(path, h)
		r.OPTIONS(path, func(c *gin.Context) {
			c.Header("Allow", "GET, HEAD")
			c.Header("Access-Control-Allow-Methods", "GET,HEAD")
			if asked := c.GetHeader("Access-Control-Request-Headers"); asked != "" {
				c.Header("Access-Control-Allow-Headers", asked)
			}
			c.String(http.StatusOK, "GET, HEAD")
		})
	}
	get("/api/v1/health", a.health)
	get("/api/v1/info", a.info)
	get("/api/v1/metrics", func(c *gin.Context) { onlyWebsocket(c, "") })
	get("/api/v1/metrics/:source", func(c *gin.Context) { onlyWebsocket(c, c.Param("source")) })
	a.probes(r)
	r.NoRoute(notFound)
	return r
}

// logRequest gives each request an id, the proxy's where there is one, sends it
// back, and logs one line with it: a warning when the server failed.
func (a *App) logRequest(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if len(id) == 0 || len(id) > 64 {
		id = rand.Text()
	}
	c.Header("X-Request-Id", id)
	began := time.Now()
	c.Next()
	line := a.log.WithFields(logrus.Fields{
		"request": id, "method": c.Request.Method, "path": c.Request.URL.Path, "status": c.Writer.Status(),
		"remote": c.Request.RemoteAddr, "ms": time.Since(began).Milliseconds(),
	})
	if c.Writer.Status() >= http.StatusInternalServerError {
		line.Warn("a request failed")
		return
	}
	line.Debug("a request")
}

// allowOrigin makes CORS of CLIENT_URL: everyone where it is empty; one origin
// as it is; of several, the one that asks.
func allowOrigin(clientURL string) engineio.Origins {
	var allowed []string
	for one := range strings.SplitSeq(clientURL, ",") {
		if one = strings.TrimSuffix(strings.TrimSpace(one), "/"); one != "" {
			allowed = append(allowed, one)
		}
	}
	return func(origin string) (string, bool) {
		switch {
		case len(allowed) == 0 || slices.Contains(allowed, "*"):
			return "*", false
		case len(allowed) == 1:
			return allowed[0], true
		case slices.Contains(allowed, origin):
			return origin, true
		}
		return "", true
	}
}

// writeJSON writes v as JavaScript would: compact, with <, > and & as they are.
func writeJSON(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		status = http.StatusInternalServerError
		body.Reset()
		body.WriteString(`{"error":"Internal server error"}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimSuffix(body.Bytes(), []byte{'\n'}))
}

// health answers with the keys in the recorded order.
func (a *App) health(c *gin.Context) {
	now := time.Now()
	writeJSON(c.Writer, http.StatusOK, struct {
		Status    string  `json:"status"`
		Service   string  `json:"service"`
		Timestamp string  `json:"timestamp"`
		Uptime    float64 `json:"uptime"`
		Clients   int     `json:"connected_clients"`
	}{"ok", "devops-insights-backend", now.UTC().Format(socket.TimeFormat), now.Sub(a.started).Seconds(), a.sockets.Connections()})
}

func (a *App) info(c *gin.Context) {
	upstream := "http"
	if a.opts.Config.Simulated() {
		upstream = "simulator"
	}
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
	}{a.opts.Version, a.opts.Config.Environment, true, true, a.redis != nil, []string{a.opts.Config.API()}, upstream, a.describeStore(), connections(a.sockets.Stats()), a.describeCluster()})
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

// onlyWebsocket is the recorded 426; source is echoed as it was given.
func onlyWebsocket(c *gin.Context, source string) {
	type instructions struct {
		Connect   string `json:"connect"`
		GetData   string `json:"get_data"`
		Listen    string `json:"listen"`
		Subscribe string `json:"subscribe"`
		Updates   string `json:"updates"`
	}
	get := `socket.emit("metrics:get", { source?: "us-east" })`
	subscribe := `socket.emit("metrics:subscribe", { source: "us-east" })`
	if source != "" {
		get = `socket.emit("metrics:get", { source: "` + source + `" })`
		subscribe = `socket.emit("metrics:subscribe", { source: "` + source + `" })`
	}
	writeJSON(c.Writer, http.StatusUpgradeRequired, struct {
		Error        string       `json:"error"`
		URL          string       `json:"websocket_url"`
		Source       string       `json:"source,omitempty"`
		Instructions instructions `json:"instructions"`
	}{"Metrics data only available via WebSocket", socketPath, source, instructions{
		"Connect to WebSocket server", get,
		`socket.on("metrics:data", (data) => { ... })`, subscribe,
		`socket.on("metrics-update", (data) => { ... })`,
	}})
}

// notFound answers unknown paths, and bodies that are not JSON, without
// telling anything of the inside.
func notFound(c *gin.Context) {
	if strings.HasPrefix(c.ContentType(), "application/json") && c.Request.Body != nil {
		body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, 100<<10))
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			writeJSON(c.Writer, http.StatusRequestEntityTooLarge, gin.H{"error": "The body is larger than 100 KB"})
			return
		}
		if err != nil || (len(body) > 0 && !json.Valid(body)) {
			writeJSON(c.Writer, http.StatusBadRequest, gin.H{"error": "The body is not valid JSON"})
			return
		}
	}
	writeJSON(c.Writer, http.StatusNotFound, gin.H{"error": "Not found", "path": c.Request.URL.Path})
}

// probes are for supervisors: alive as long as the process answers, ready when
// dashboards should be sent here.
func (a *App) probes(r *gin.Engine) {
	r.GET("/livez", func(c *gin.Context) { writeJSON(c.Writer, http.StatusOK, gin.H{"alive": true}) })
	r.GET("/readyz", func(c *gin.Context) {
		checks := gin.H{"serving": "ok", "store": "ok"}
		ready := a.ready.Load()
		if !ready {
			checks["serving"] = "starting or stopping"
		}
		if _, err := a.store.AllLatest(c.Request.Context(), a.opts.Config.API()); err != nil {
			ready = false
			checks["store"] = err.Error()
		}
		if d := a.describeCluster(); d != nil && !d.Connected {
			// No reason to take every instance away at once: their dashboards
			// go on without the others.
			checks["redis"] = "out of reach: other instances are not heard"
		} else if d != nil {
			checks["redis"] = "ok"
		}
		status := http.StatusOK
		if !ready {
			status = http.StatusServiceUnavailable
		}
		writeJSON(c.Writer, status, gin.H{"ready": ready, "checks": checks})
	})
}
