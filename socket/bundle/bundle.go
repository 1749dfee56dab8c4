// Package bundle serves the JavaScript client at the addresses where Node's
// socket.io serves it. The files come from the npm package by "make assets"
// and are embedded by the build; they are not part of the repository. Of the
// protocol it knows only which origins may read an answer.
package bundle

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzhttp"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

//go:embed all:files
var embedded embed.FS

// names are the files that Node serves.
var names = []string{
	"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js",
	"socket.io.js.map", "socket.io.min.js.map", "socket.io.esm.min.js.map", "socket.io.msgpack.min.js.map",
}

// Serves reports whether the path names a file of the bundle, whether or not
// this build carries it.
func Serves(urlPath string) bool { return slices.Contains(names, path.Base(urlPath)) }

// Handler serves the files that were embedded to the origins.
func Handler(origins engineio.Origins) http.Handler {
	files, err := fs.Sub(embedded, "files")
	if err != nil {
		panic(err) // the directory is part of the source
	}
	return handler(files, origins)
}

func handler(files fs.FS, origins engineio.Origins) http.Handler {
	version, _ := fs.ReadFile(files, "VERSION") // without it there is no file either
	etag := `"` + strings.TrimSpace(string(version)) + `"`
	return gzhttp.GzipHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		origins.Set(h, r)
		name := path.Base(r.URL.Path)
		body, err := fs.ReadFile(files, name)
		if err != nil || !slices.Contains(names, name) {
			h.Set("Content-Type", "application/json; charset=utf-8")
			w.WriteHeader(http.StatusNotFound)
			_ = json.NewEncoder(w).Encode(map[string]string{
				"error": "this build does not carry the client bundle: make build (or make assets before go build) embeds it",
			})
			return
		}
		h.Set("Cache-Control", "public, max-age=0")
		h.Set("ETag", etag)
		if matches(r.Header.Get("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		kind := "application/javascript; charset=utf-8"
		if strings.HasSuffix(name, ".map") {
			kind = "application/json; charset=utf-8"
		}
		h.Set("Content-Type", kind)
		_, _ = w.Write(body)
	}))
}

// matches reports whether an If-None-Match header names the tag.
func matches(header, etag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == etag {
			return true
		}
	}
	return false
}
