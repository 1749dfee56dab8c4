package socket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store/outcome"
	"github.com/devops-insights/devops-insights/store/past"
	"github.com/devops-insights/devops-insights/store/rollup"
)

// The bytes of one point of a series, and of one incident with its reasons.
const (
	pointSize    = 64
	incidentSize = 256
)

var errNoPast = errors.New("the store keeps no results of polls")

// getSeries answers with one field of a region over time.
func (h *Hub) getSeries(ctx context.Context, s *socketio.Socket, r request) error {
	of, err := h.subjectWithRegion(r)
	if err != nil {
		return err
	}
	q := past.SeriesQuestion{API: of.api.Name, Source: of.source}
	if err := r.series(&q); err != nil {
		return refused(err, messageSeriesFailed)
	}
	key := fmt.Sprintf("series %q %q %q %q %d %d %d", q.API, q.Source, q.Field, q.Agg, q.From.UnixMilli(), q.To.UnixMilli(), q.Step)
	build := func(ctx context.Context, _ *lease) (pastAnswer, error) {
		if h.Past == nil {
			return pastAnswer{}, errNoPast
		}
		answer, err := past.Series(ctx, h.Past, q, h.Now())
		if err != nil {
			return pastAnswer{}, err
		}
		return h.prepare(EventSeries, answer.AppendJSON(nil))
	}
	err = h.sendPast(ctx, s, question{key, min(h.HistoryMaxBytes, rollup.MaxPoints*pointSize), build})
	return refused(err, messageSeriesFailed)
}

// series reads the members of a question for a series other than its region.
func (r request) series(q *past.SeriesQuestion) (err error) {
	if q.Field, err = r.text("field"); err != nil {
		return err
	}
	q.Field = strings.TrimPrefix(q.Field, "data.")
	if q.Agg, err = r.text("agg"); err != nil {
		return err
	}
	if q.From, err = r.date("from"); err != nil {
		return err
	}
	if q.To, err = r.date("to"); err != nil {
		return err
	}
	q.Step, err = r.duration("step")
	return err
}

// getUptime answers how long a region was up, or each of them.
func (h *Hub) getUptime(ctx context.Context, s *socketio.Socket, r request) error {
	of, err := h.subject(r, "")
	if err != nil {
		return err
	}
	q := past.UptimeQuestion{API: of.api.Name, Sources: of.api.Sources()}
	if of.source != "" {
		q.Sources = []string{of.source}
	}
	if q.Window, err = r.text("window"); err != nil {
		return refused(err, messageUptimeFailed)
	}
	key := fmt.Sprintf("uptime %q %q %q", q.API, q.Sources, q.Window)
	build := func(ctx context.Context, _ *lease) (pastAnswer, error) {
		if h.Past == nil {
			return pastAnswer{}, errNoPast
		}
		answer, err := past.Uptime(ctx, h.Past, q, h.Now())
		if err != nil {
			return pastAnswer{}, err
		}
		return h.prepare(EventUptime, answer.AppendJSON(nil))
	}
	err = h.sendPast(ctx, s, question{key, min(h.HistoryMaxBytes, outcome.MaxIncidents*incidentSize), build})
	return refused(err, messageUptimeFailed)
}

func (h *Hub) prepare(event string, text []byte) (pastAnswer, error) {
	prepared, err := h.namespace.Prepare(event, json.RawMessage(text))
	return pastAnswer{event: prepared, size: int64(len(text))}, err
}

// refused makes an error one that the dashboard hears of: what it did wrong in a
// sentence, anything else in a few words.
func refused(err error, message string) error {
	var wrong *past.ParamError
	switch {
	case err == nil || errors.Is(err, socketio.ErrDisconnected):
		return err
	case errors.As(err, &wrong):
		return &refusal{message: wrong.Error()}
	}
	return &refusal{message: message, cause: err}
}
