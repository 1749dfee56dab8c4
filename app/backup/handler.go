// Package backup copies the file of the embedded store: out of a server that
// runs, over its internal listener, or out of the file itself where no server
// uses it. A copy gets its name only when it has been examined.
package backup

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Path is where the internal listener answers with a copy.
const Path = "/backup"

// contentType tells a copy from the answer of another program.
const contentType = "application/vnd.devops-insights.backup"

// Source writes a consistent copy of a store.
type Source interface {
	Backup(ctx context.Context, w io.Writer) error
}

// Handler answers with a copy of the source, one at a time. A source that is nil
// has none. What ends a copy before it is complete ends the connection, so that
// nobody takes a part for the whole. The server has to see to clients that do
// not read. The end of ctx ends every copy.
func Handler(ctx context.Context, source Source, log logrus.FieldLogger) http.Handler {
	var busy sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet:
			w.Header().Set("Allow", http.MethodGet)
			refuse(w, http.StatusMethodNotAllowed, "only GET is answered")
		case r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "":
			refuse(w, http.StatusForbidden, "a page in a browser gets no copy of the store")
		case source == nil:
			refuse(w, http.StatusNotFound, "this server keeps its values in a database: mongodump makes a copy of it")
		case !busy.TryLock():
			refuse(w, http.StatusConflict, "another backup is being made: try again when it is complete")
		default:
			defer busy.Unlock()
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Content-Disposition", `attachment; filename="devops-insights.db"`)
			w.Header().Set("Cache-Control", "no-store")
			during, cancel := context.WithCancel(r.Context())
			defer cancel()
			// A write that nobody takes ends as well.
			defer context.AfterFunc(ctx, func() {
				cancel()
				_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0))
			})()
			if err := source.Backup(during, w); err != nil {
				log.WithError(err).Warn("a backup was not completed")
				panic(http.ErrAbortHandler)
			}
			log.WithField("address", r.RemoteAddr).Info("a backup was made")
		}
	})
}

func refuse(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": sentence})
}
