package connz

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

const (
	defaultLimit = 100
	maxLimit     = 10_000
	maxOffset    = 1 << 30
	// listTime is how long a list may take to be written.
	listTime = 30 * time.Second
)

// lister answers with the connections.
type lister struct {
	Options
	slots chan struct{}
}

// question is what is asked for.
type question struct {
	state         string
	sort          string
	limit, offset int
	region, code  string
	address       netip.Prefix
	format        string
}

func (l *lister) read(r *http.Request) (question, error) {
	p := newParameters(r.URL.RawQuery, "sort", "limit", "offset", "state", "region", "address", "code", "format")
	q := question{
		state: p.choice("state", stateOpen, stateOpen, stateClosed, "any"),
		limit: p.number("limit", defaultLimit, 1, maxLimit), offset: p.number("offset", 0, 0, maxOffset),
		region: p.region("region", l.Catalog()), code: p.code("code"), address: p.network("address"),
		format: p.choice("format", preferred(r), "json", "text"),
	}
	if q.code != "" && !p.values.Has("state") {
		q.state = stateClosed // the open ones have none
	}
	otherwise := "cid"
	if q.state == stateClosed {
		otherwise = "stop"
	}
	q.sort = p.get("sort", otherwise)
	if p.err == nil {
		p.err = order(nil, q.sort, time.Time{})
	}
	return q, p.err
}

// preferred returns the form of the answer where none is asked for: a table for
// curl and its like, unless they accept JSON.
func preferred(r *http.Request) string {
	agent := strings.ToLower(r.UserAgent())
	for _, terminal := range []string{"curl/", "wget/", "httpie/", "xh/"} {
		if strings.HasPrefix(agent, terminal) && !strings.Contains(r.Header.Get("Accept"), "json") {
			return "text"
		}
	}
	return "json"
}

func (l *lister) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q, err := l.read(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if !take(w, l.slots, "lists of connections") {
		return
	}
	defer func() { <-l.slots }()
	now := time.Now()
	found := l.find(q)
	_ = order(found, q.sort, now) // the key has been checked
	page := found[min(q.offset, len(found)):]
	page = page[:min(q.limit, len(page))]
	_ = http.NewResponseController(w).SetWriteDeadline(now.Add(listTime))
	out := bufio.NewWriter(w)
	if q.format == "text" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		err = writeTable(out, q, now, page, len(found))
	} else {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		err = writeJSON(out, q, now, page, len(found))
	}
	if err == nil {
		_ = out.Flush()
	}
}

// find returns what the question is about, unsorted.
func (l *lister) find(q question) []*conn {
	var all []*conn
	if q.state != stateClosed {
		for _, s := range l.Server.Sessions() {
			if c := describe(s); c.Ended.IsZero() { // else it is, or comes, among those that have ended
				all = append(all, &c)
			}
		}
	}
	if q.state != stateOpen {
		all = append(all, l.Past.all()...)
	}
	found := all[:0]
	for _, c := range all {
		if q.matches(c) {
			found = append(found, c)
		}
	}
	return found
}

func (q *question) matches(c *conn) bool {
	return (q.region == "" || c.in(q.region)) &&
		(!q.address.IsValid() || q.address.Contains(c.Address)) &&
		(q.code == "" || string(c.Code) == q.code)
}

// writeJSON writes the page row by row.
func writeJSON(out *bufio.Writer, q question, now time.Time, page []*conn, total int) error {
	head, err := json.Marshal(struct {
		Now    string `json:"now"`
		State  string `json:"state"`
		Sort   string `json:"sort"`
		Total  int    `json:"total"`
		Offset int    `json:"offset"`
		Limit  int    `json:"limit"`
		Count  int    `json:"count"`
	}{format(now), q.state, q.sort, total, q.offset, q.limit, len(page)})
	if err != nil {
		return err
	}
	_, _ = out.Write(head[:len(head)-1])
	_, _ = out.WriteString(`,"connections":[`)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	for i, c := range page {
		if i > 0 {
			_ = out.WriteByte(',')
		}
		if err := e.Encode(c.row(now)); err != nil {
			return err
		}
	}
	_, err = out.WriteString("]}\n")
	return err
}
