package metrics

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// Path is where the metrics are.
const Path = "/metrics"

// Gather implements prometheus.Gatherer.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) {
	m.syncRegions()
	return m.registry.Gather()
}

// Handler answers scrapes in the text format, as OpenMetrics, which has exemplars,
// or in the protobuf format, which has native histograms. What cannot be read is
// left out of the answer and logged.
func (m *Metrics) Handler(log promhttp.Logger) http.Handler {
	h := promhttp.HandlerFor(prometheus.GathererFunc(m.Gather), promhttp.HandlerOpts{
		ErrorLog: log, ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true, MaxRequestsInFlight: maxScrapes,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "metrics are read with GET", http.StatusMethodNotAllowed)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// maxScrapes bounds the scrapes at one time: further ones are answered with 503.
const maxScrapes = 4

// Protect lets only those through who have the token.
func Protect(h http.Handler, token string) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		have := sha256.Sum256([]byte(strings.TrimSpace(given)))
		// Digests are of one length: the time says nothing of that of the token.
		if subtle.ConstantTimeCompare(have[:], want[:]) != 1 || !strings.EqualFold(scheme, "Bearer") {
			w.Header().Set("WWW-Authenticate", `Bearer realm="metrics"`)
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "metrics are for those who have the token (METRICS_TOKEN): Authorization: Bearer …", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
