package connz

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

const (
	defaultTrace = time.Minute
	maxTrace     = 10 * time.Minute
	defaultLines = 10_000
	maxLines     = 1_000_000
	// renewal is how often a trace of a region looks who watches it.
	renewal = 500 * time.Millisecond
	// waitingEnds is how many ends of connections wait for the reader of a trace.
	waitingEnds = 256
)

// tracer answers with the packets of some connections as they pass.
type tracer struct {
	Options
	stopping context.Context
	slots    chan struct{}
}

// order of a trace.
type traceOrder struct {
	*traffic
	last time.Duration
	most int
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{6,20}$`)

func (t *tracer) read(r *http.Request) (traceOrder, int, error) {
	p := newParameters(r.URL.RawQuery, "socket", "address", "region", "for", "max", "payload")
	o := traceOrder{
		traffic: &traffic{network: p.network("address"), region: p.region("region", t.Catalog()), packets: make(chan seen, waitingPackets)},
		last:    p.duration("for", defaultTrace, maxTrace), most: p.number("max", defaultLines, 1, maxLines),
	}
	o.payload = p.choice("payload", "0", "0", "1") == "1"
	if p.err != nil {
		return o, http.StatusBadRequest, p.err
	}
	name := strings.TrimSpace(p.values.Get("socket"))
	if name == "" {
		return o, 0, nil
	}
	var status int
	var err error
	o.only, status, err = t.find(name)
	return o, status, err
}

// find returns the open connection with that cid, or whose id, or that of one of
// whose sockets, begins so.
func (t *tracer) find(name string) (*engineio.Session, int, error) {
	cid, err := strconv.ParseUint(name, 10, 64)
	isID := idPattern.MatchString(name)
	if err != nil && !isID {
		return nil, http.StatusBadRequest, fmt.Errorf("socket=%s names no connection: give a cid such as 12, or the first 6 or more characters of an id", shown(name))
	}
	var found []*engineio.Session
	for _, s := range t.Server.Sessions() {
		switch {
		case err == nil && s.Number() == cid:
			return s, 0, nil
		case isID && begins(s, name):
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], 0, nil
	case len(found) > 1:
		return nil, http.StatusConflict, fmt.Errorf("socket=%s is the beginning of %d connections' ids: give the cid of one, as /connz shows it", shown(name), len(found))
	}
	for _, c := range t.Past.all() {
		if err == nil && c.Number == cid || isID && c.ID == name[:idLength] {
			return nil, http.StatusNotFound, fmt.Errorf("connection %d has ended: %s, %s ago", c.Number, c.Code, short(time.Since(c.Ended)))
		}
	}
	return nil, http.StatusNotFound, fmt.Errorf("there is no connection %s: /connz?state=any shows which there are", shown(name))
}

func begins(s *engineio.Session, id string) bool {
	if strings.HasPrefix(s.ID(), id) {
		return true
	}
	for _, m := range socketio.Members(s) {
		if strings.HasPrefix(m.ID, id) {
			return true
		}
	}
	return false
}

func (t *tracer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o, status, err := t.read(r)
	if err != nil {
		refuse(w, status, err.Error())
		return
	}
	if !take(w, t.slots, "traces") {
		return
	}
	defer func() { <-t.slots }()
	if r.Method == http.MethodHead {
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson; charset=utf-8")
	out := newLines(w, t.Stall)
	log := t.Logger.WithFields(logrus.Fields{"address": r.RemoteAddr, "payload": o.payload})
	log.Info("a trace of connections begins")
	why, err := t.follow(r.Context(), o, out)
	log = log.WithFields(logrus.Fields{"packets": out.packets, "lost": out.lost, "reason": why})
	if err != nil {
		log = log.WithError(err)
	}
	log.Info("a trace of connections has ended")
}

// errGone ends a trace whose reader has gone.
var errGone = errors.New("the reader has gone")

// follow writes what passes until the trace is over, and returns why.
func (t *tracer) follow(gone context.Context, o traceOrder, out *lines) (why string, err error) {
	connections := o.renew(t.Server)
	ended := make(chan *conn, waitingEnds)
	defer t.Past.watch(ended, o.traffic)()
	defer t.Server.Tap(o.see)()
	over := time.NewTimer(o.last)
	defer over.Stop()
	again := time.NewTicker(renewal)
	defer again.Stop()
	out.write(beginLine{"begin", format(time.Now()), connections, format(time.Now().Add(o.last)), o.most})
	for why == "" && out.err == nil {
		if len(o.packets) == 0 {
			out.catchUp(o.traffic)
		}
		select {
		case p := <-o.packets:
			out.packet(&p, o.payload)
		case c := <-ended:
			out.drain(o) // what came before its end
			out.write(endOf(c))
			if o.only != nil {
				why = "closed"
			}
		case <-again.C:
			if o.region != "" {
				o.renew(t.Server)
			}
		case <-over.C:
			why = "time"
		case <-t.stopping.Done():
			why = "shutdown"
		case <-gone.Done():
			return "reader", errGone
		}
		if out.packets >= o.most {
			why = "max"
		}
	}
	out.drain(o)
	if out.err != nil {
		return "reader", out.err
	}
	out.catchUp(o.traffic)
	out.write(endLine{"end", format(time.Now()), why, out.packets, out.lost})
	out.flush()
	return why, out.err
}

type beginLine struct {
	Type        string `json:"type"`
	Time        string `json:"time"`
	Connections int    `json:"connections"`
	Until       string `json:"until"`
	Max         int    `json:"max"`
}

type closedLine struct {
	Type   string          `json:"type"`
	Time   string          `json:"time"`
	CID    uint64          `json:"cid"`
	ID     string          `json:"id"`
	Code   engineio.Code   `json:"code"`
	Reason engineio.Reason `json:"reason"`
}

func endOf(c *conn) closedLine {
	return closedLine{"closed", format(c.Ended), c.Number, c.ID, c.Code, c.Reason}
}

type lostLine struct {
	Type  string `json:"type"`
	Time  string `json:"time"`
	Lines uint64 `json:"lines"`
}

type endLine struct {
	Type    string `json:"type"`
	Time    string `json:"time"`
	Why     string `json:"why"`
	Packets int    `json:"packets"`
	Lost    uint64 `json:"lost"`
}

// lines writes a trace. Its first error stays.
type lines struct {
	out     *bufio.Writer
	encoder *json.Encoder
	control *http.ResponseController
	packets int
	lost    uint64
	err     error
}

func newLines(w http.ResponseWriter, stall time.Duration) *lines {
	l := &lines{control: http.NewResponseController(w)}
	l.out = bufio.NewWriterSize(&patient{w, l.control, stall}, 16<<10)
	l.encoder = json.NewEncoder(l.out)
	l.encoder.SetEscapeHTML(false)
	return l
}

// patient gives the reader its time for each part.
type patient struct {
	w       http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(p.stall)); err != nil {
		return 0, err
	}
	return p.w.Write(b)
}

func (l *lines) write(line any) {
	if l.err == nil {
		l.err = l.encoder.Encode(line)
	}
}

func (l *lines) packet(p *seen, payload bool) {
	l.packets++
	l.write(p.line(payload))
}

// drain writes the packets that wait, as many as the trace may have.
func (l *lines) drain(o traceOrder) {
	for range len(o.packets) {
		if l.packets >= o.most || l.err != nil {
			return
		}
		p := <-o.packets
		l.packet(&p, o.payload)
	}
}

// catchUp tells what was lost while the reader was behind, and lets it see what
// has been written.
func (l *lines) catchUp(t *traffic) {
	if n := t.lost.Swap(0); n > 0 {
		l.lost += n
		l.write(lostLine{"lost", format(time.Now()), n})
	}
	l.flush()
}

func (l *lines) flush() {
	if l.err == nil && l.out.Buffered() > 0 {
		if l.err = l.out.Flush(); l.err == nil {
			l.err = l.control.Flush()
		}
	}
}
