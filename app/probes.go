package app

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/app/probe"
	"github.com/gin-gonic/gin"
)

// partInfo is what health shows of a part.
type partInfo struct {
	State       health.State `json:"state"`
	Since       string       `json:"since"`
	LastSuccess string       `json:"last_success,omitempty"`
	Class       string       `json:"class,omitempty"`
	Message     string       `json:"message,omitempty"`
}

func describePart(p health.Part) partInfo {
	info := partInfo{State: p.State, Since: stamp(p.Since), Class: p.Class, Message: p.Message}
	if !p.LastSuccess.IsZero() {
		info.LastSuccess = stamp(p.LastSuccess)
	}
	return info
}

// health answers with the keys in the recorded order, and then with what every
// part says of itself.
func (a *App) health(c *gin.Context) {
	now := time.Now()
	status, code := "ok", http.StatusOK
	overall := a.board.Overall()
	if overall == health.Down {
		status, code = "down", http.StatusServiceUnavailable
	}
	checks := make(map[string]partInfo)
	for _, p := range a.board.Parts() {
		checks[p.Name] = describePart(p)
	}
	writeJSON(c.Writer, code, struct {
		Status    string              `json:"status"`
		Service   string              `json:"service"`
		Timestamp string              `json:"timestamp"`
		Uptime    float64             `json:"uptime"`
		Clients   int                 `json:"connected_clients"`
		Store     string              `json:"store"`
		Clock     string              `json:"clock"`
		Overall   health.State        `json:"overall"`
		Checks    map[string]partInfo `json:"checks"`
	}{status, probe.Service, stamp(now), now.Sub(a.started).Seconds(), a.sockets.Connections(), a.storeSentence(), a.clockSentence(), overall, checks})
}

// clockSentence says how the clock is doing, for people who look at one line.
func (a *App) clockSentence() string {
	if p, there := a.board.Lookup(partClock); there && p.State == health.Degraded {
		return p.Message
	}
	return "ok"
}

// probes are for supervisors: alive as long as the process is not stuck, ready
// when dashboards should be sent here. Some balancers ask with HEAD.
func (a *App) probes(r *gin.Engine) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		r.Handle(method, "/livez", a.livez)
		r.Handle(method, "/readyz", a.readyz)
	}
}

// unready says why dashboards should be sent to other instances; empty where they
// need not. A database, a Redis or an upstream that is away is no reason: the
// other instances have the same.
func (a *App) unready() string {
	_, known := a.view.Age()
	switch {
	case !a.ready.Load():
		return "starting or stopping"
	case !known:
		return "the database was not read yet"
	case a.streamMuteHere(time.Now()):
		return "changes are not heard here although the database answers"
	case a.memoryExceeded(time.Now()):
		return "more waits for dashboards than MAX_MEMORY allows"
	}
	return ""
}

func (a *App) readyz(c *gin.Context) {
	why := a.unready()
	status := http.StatusOK
	if why != "" {
		status = http.StatusServiceUnavailable
	}
	parts := a.board.Parts()
	if asked, verbose := c.GetQuery("verbose"); verbose && asked != "0" && asked != "false" {
		writeText(c.Writer, status, readyTable(why, parts))
		return
	}
	checks := gin.H{"serving": "ok", "store": a.storeSentence()}
	for _, p := range parts {
		checks[p.Name] = sentence(p)
	}
	if why != "" {
		checks["serving"] = why
	}
	writeJSON(c.Writer, status, gin.H{"ready": why == "", "checks": checks, "service": probe.Service})
}

// sentence says how a part is doing.
func sentence(p health.Part) string {
	if p.State == health.OK {
		return "ok"
	}
	text := string(p.State) + " since " + stamp(p.Since)
	if p.Message != "" {
		text += ": " + p.Message
	}
	return text
}

// readyTable is a line for each part, for people.
func readyTable(why string, parts []health.Part) string {
	var b strings.Builder
	mark := func(ok bool) string {
		if ok {
			return "[+]"
		}
		return "[-]"
	}
	serving := "ok"
	if why != "" {
		serving = why
	}
	fmt.Fprintf(&b, "%sserving %s\n", mark(why == ""), serving)
	for _, p := range parts {
		fmt.Fprintf(&b, "%s%s %s\n", mark(p.State == health.OK), p.Name, sentence(p))
	}
	if why == "" {
		b.WriteString("ready: dashboards can be sent here\n")
	} else {
		b.WriteString("not ready: " + why + "\n")
	}
	return b.String()
}

// writeText answers people.
func writeText(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
