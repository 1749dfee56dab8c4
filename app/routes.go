package app

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/app/metrics"
	"github.com/devops-insights/devops-insights/app/page"
	"github.com/devops-insights/devops-insights/socket/bundle"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// socketPath is where Socket.IO answers. Without the slash it does not.
const socketPath = "/socket.io/"

// routes returns the handler of the dashboards' address.
func (a *App) routes() http.Handler {
	endpoints := gzhttp.GzipHandler(a.router()) // from 1 KB on, as Express has it
	builtin := page.Handler()
	client := bundle.Handler(allowOrigin(a.opts.Config.Clients))
	scrapes := a.metricsRoute(true)
	others := steady(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, socketPath):
			client.ServeHTTP(w, r)
		case r.URL.Path == "/" || strings.HasPrefix(r.URL.Path, "/assets/"):
			builtin.ServeHTTP(w, r)
		case r.URL.Path == metrics.Path && scrapes != nil:
			scrapes.ServeHTTP(w, r)
		default:
			expressPath(r)
			endpoints.ServeHTTP(w, r)
		}
	}), stallTimeout, transferTimeout)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if strings.HasPrefix(r.URL.Path, socketPath) && !bundle.Serves(r.URL.Path) {
			w.Header().Set("Cache-Control", "no-store")
			a.gate.allowCredentials(w, r)
			a.sockets.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// expressPath lets paths match as Express matches them: without regard to
// case, with or without a trailing slash. The region of /api/v1/metrics and the ids
// of alerts keep their spelling.
func expressPath(r *http.Request) {
	parts := strings.Split(strings.TrimSuffix(r.URL.EscapedPath(), "/"), "/")
	for i := range parts {
		if i < 4 || i > 4 && parts[3] == "alerts" || parts[3] == "badge" {
			parts[i] = strings.ToLower(parts[i])
		}
	}
	raw := strings.Join(parts, "/")
	if plain, err := url.PathUnescape(raw); err == nil {
		r.URL.Path, r.URL.RawPath = plain, raw
	}
}

func (a *App) newRouter() *gin.Engine {
	r := gin.New()
	r.UseRawPath = true
	r.RedirectTrailingSlash = false
	r.Use(a.recoverHandler)
	return r
}

// recoverHandler answers 500 where a handler panics. One that ends the connection
// does so: what it has sent is not complete.
func (a *App) recoverHandler(c *gin.Context) {
	defer func() {
		switch fault := recover(); {
		case fault == nil:
		case fault == http.ErrAbortHandler || c.Writer.Written(): //nolint:errorlint // net/http compares it so
			if fault != http.ErrAbortHandler { //nolint:errorlint // as above
				a.requestFault(c.Request, fault)
			}
			panic(http.ErrAbortHandler)
		default:
			a.requestFault(c.Request, fault)
			writeJSON(c.Writer, http.StatusInternalServerError, gin.H{"error": "Internal server error"})
			c.Abort()
		}
	}()
	c.Next()
}

// history returns the part of the API that reads the past, and is about alerts.
func (a *App) history() *api.API {
	return api.New(api.Options{
		Catalog: a.Catalog, History: a.store, Past: a.store, Memory: a.sockets.Memory(), Logger: a.log,
		Alerting: api.Alerting{
			Alerts: a.mirror, Incidents: a.store, Silences: a.quiet, Maintenance: a.quiet, Acknowledgements: a.quiet,
			Ready: a.following.Load, Token: a.opts.Config.AlertToken,
		},
	})
}

func (a *App) router() http.Handler {
	r := a.newRouter()
	cors := allowOrigin(a.opts.Config.Clients)
	r.Use(a.tracing.Handler("/livez", "/readyz"), func(c *gin.Context) {
		cors.Set(c.Writer.Header(), c.Request)
	}, a.logRequest)
	get := func(path string, h gin.HandlerFunc) { serveRoute(r, api.Route{Path: path, Get: h}) }
	get("/api/v1/health", a.health)
	get("/api/v1/info", a.info)
	get("/api/v1/metrics", func(c *gin.Context) { onlyWebsocket(c, "") })
	get("/api/v1/metrics/:source", func(c *gin.Context) { onlyWebsocket(c, c.Param("source")) })
	questions := a.history()
	questions.Register(get)
	for _, route := range questions.AlertRoutes(false) {
		serveRoute(r, route)
	}
	a.probes(r)
	r.NoRoute(notFound)
	return r
}

// serveRoute serves the methods of a path, and tells browsers of them before they
// send what a page of another origin asks for.
func serveRoute(r gin.IRoutes, route api.Route) {
	var methods []string
	serve := func(h gin.HandlerFunc, names ...string) {
		if h == nil {
			return
		}
		methods = append(methods, names...)
		for _, name := range names {
			r.Handle(name, route.Path, h)
		}
	}
	serve(route.Get, http.MethodGet, http.MethodHead)
	serve(route.Post, http.MethodPost)
	serve(route.Delete, http.MethodDelete)
	r.OPTIONS(route.Path, func(c *gin.Context) {
		c.Header("Allow", strings.Join(methods, ", "))
		c.Header("Access-Control-Allow-Methods", strings.Join(methods, ","))
		if asked := c.GetHeader("Access-Control-Request-Headers"); asked != "" {
			c.Header("Access-Control-Allow-Headers", asked)
		}
		c.String(http.StatusOK, strings.Join(methods, ", "))
	})
}

// logRequest logs one line for each request: a warning when the server failed.
func (a *App) logRequest(c *gin.Context) {
	began := time.Now()
	c.Next()
	line := a.log.WithContext(c.Request.Context()).WithFields(logrus.Fields{
		"request_id": requestID(c.Request), "method": c.Request.Method, "path": c.Request.URL.Path, "status": c.Writer.Status(),
		"address": c.Request.RemoteAddr, "duration_ms": time.Since(began).Milliseconds(),
	})
	if c.Writer.Status() >= http.StatusInternalServerError && !probed(c.Request.URL.Path) {
		line.Warn("a request failed")
		return
	}
	line.Debug("a request")
}

// probed reports whether a path is asked over and over, by machines that take its
// 503 for an answer.
func probed(path string) bool {
	return path == "/livez" || path == "/readyz" || path == "/api/v1/health"
}

// writeJSON writes v as JavaScript would: compact, with <, > and & as they are.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := jsjson.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"Internal server error"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff") // the internal listener has no other place for it
	w.WriteHeader(status)
	_, _ = w.Write(body)
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
