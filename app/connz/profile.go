package connz

import (
	"context"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// longestProfile ends a profile that was asked for longer.
const longestProfile = 10 * time.Minute

// maxSymbols bounds the addresses whose names are asked for, in bytes.
const maxSymbols = 1 << 20

// profiles serves net/http/pprof until ctx ends. The command line is left out:
// flags may be secrets.
func profiles(ctx context.Context, log logrus.FieldLogger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		during, cancel := context.WithTimeout(r.Context(), longestProfile)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		r = r.WithContext(during)
		switch name := strings.TrimPrefix(r.URL.Path, ProfilePath); name {
		case "cmdline":
			refuse(w, http.StatusNotFound, "the command line is not shown: it may hold secrets")
		case "profile":
			log.WithField("address", r.RemoteAddr).Info("a profile of the CPU is taken")
			pprof.Profile(w, r)
		case "trace":
			log.WithField("address", r.RemoteAddr).Info("an execution trace is taken")
			pprof.Trace(w, r)
		case "symbol":
			r.Body = http.MaxBytesReader(w, r.Body, maxSymbols)
			pprof.Symbol(w, r)
		case strings.TrimSuffix(ProfilePath, "/"):
			http.Redirect(w, r, ProfilePath, http.StatusMovedPermanently)
		default:
			pprof.Index(w, r)
		}
	})
}
