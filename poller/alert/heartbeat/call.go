package heartbeat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/store/netfault"
)

const (
	// firstPause is the time until a call that failed is made again; it doubles.
	firstPause = time.Second
	// maxSentences and maxSentence bound what is said, in sentences and bytes: some
	// services take no more than 10 kB.
	maxSentences, maxSentence = 20, 400
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 16 << 10
)

// message is what is sent.
type message struct {
	Status    string   `json:"status"`
	Wrong     []string `json:"wrong"`
	Instance  string   `json:"instance,omitempty"`
	Timestamp string   `json:"timestamp"`
}

// call calls until it succeeds or ctx ends, and reports whether it has.
func (h *Heartbeat) call(ctx context.Context, to, status string, wrong []string) bool {
	for wait := firstPause; ; wait *= 2 {
		class := h.once(ctx, to, status, wrong)
		if class != "" && errors.Is(ctx.Err(), context.Canceled) {
			return false // it was the end that cut it off
		}
		h.note(class)
		if class == "" {
			return true
		}
		if !pause(ctx, wait) {
			return false
		}
	}
}

// once makes one call, and returns why it failed as one short word.
func (h *Heartbeat) once(ctx context.Context, to, status string, wrong []string) (class string) {
	body, err := json.Marshal(message{status, bounded(wrong), h.opts.Instance, h.opts.Now().UTC().Format(time.RFC3339)})
	if err != nil {
		return "OTHER"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return "OTHER"
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "devops-insights/1.0")
	resp, err := h.client.Do(req)
	if err != nil {
		return classOf(err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Sprint("HTTP_", resp.StatusCode)
	}
	return ""
}

// classOf names an error without its text, which has the URL.
func classOf(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return netfault.Timeout
		}
		err = u.Err
	}
	if class := netfault.Class(err); class != "" {
		return class
	}
	return "OTHER"
}

// bounded returns the first sentences, each of bounded length; never nil.
func bounded(sentences []string) []string {
	all := make([]string, 0, min(len(sentences), maxSentences+1))
	for i, s := range sentences {
		if i == maxSentences {
			return append(all, fmt.Sprintf("and %d more", len(sentences)-maxSentences))
		}
		if len(s) > maxSentence {
			s = strings.ToValidUTF8(s[:maxSentence], "") + "…"
		}
		all = append(all, s)
	}
	return all
}

// note takes how a call went, and logs where that changes.
func (h *Heartbeat) note(class string) {
	now := h.opts.Now()
	h.mu.Lock()
	before := h.status
	if class == "" {
		h.status = Status{Called: now}
	} else {
		h.status.Class = class
		if before.FailingSince.IsZero() {
			h.status.FailingSince = now
		}
	}
	h.mu.Unlock()
	switch {
	case class != "" && before.FailingSince.IsZero():
		h.opts.Logger.WithField("err_class", class).
			Warn("the heartbeat could not be sent: it is tried again; where that goes on, the service behind HEARTBEAT_URL raises an alarm")
	case class == "" && !before.FailingSince.IsZero():
		h.opts.Logger.WithField("duration_ms", now.Sub(before.FailingSince).Milliseconds()).Info("the heartbeat is sent again")
	}
}
