package app

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/app/backup"
	"github.com/devops-insights/devops-insights/app/connz"
	"github.com/devops-insights/devops-insights/app/metrics"
)

// internalRoutes serves the probes, the level of the log, alerts to everybody who
// reaches it, and, until ctx ends, copies of the embedded store and what is known of
// the connections.
func (a *App) internalRoutes(ctx context.Context) http.Handler {
	r := a.newRouter()
	r.Use(a.logRequest)
	a.probes(r)
	a.logLevel(r)
	trusted := r.Group("", func(c *gin.Context) { c.Header("X-Content-Type-Options", "nosniff") })
	for _, route := range a.history().AlertRoutes(true) {
		serveRoute(trusted, route)
	}
	if scrapes := a.metricsRoute(false); scrapes != nil {
		r.Any(metrics.Path, gin.WrapH(scrapes))
	}
	r.NoRoute(notFound)
	var source backup.Source
	if a.embedded != nil {
		source = a.embedded
	}
	copies := backup.Handler(ctx, source, a.log)
	others := steady(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// Not by way of the router: it would end a connection in order that has to
		// break off.
		if req.URL.Path == backup.Path {
			copies.ServeHTTP(w, req)
			return
		}
		expressPath(req)
		r.ServeHTTP(w, req)
	}), stallTimeout, transferTimeout)
	insight := connz.Handler(ctx, connz.Options{Server: a.sockets, Past: a.past, Catalog: a.Catalog, Logger: a.log})
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if connz.Serves(req.URL.Path) { // which sees to slow readers itself: a trace may take long
			insight.ServeHTTP(w, req)
			return
		}
		others.ServeHTTP(w, req)
	})
}
