package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/store/past"
)

// maxBody bounds the body of a request.
const maxBody = 64 << 10

// readBody reads the JSON body of a request, which must have no other members than
// those of into.
func readBody(c *gin.Context, into interface{ members() string }) error {
	if kind, _, err := mime.ParseMediaType(c.GetHeader("Content-Type")); err != nil || kind != "application/json" {
		return &problem{status: http.StatusUnsupportedMediaType, sentence: fmt.Sprintf("The header Content-Type is %s: allowed is application/json", past.Short(c.GetHeader("Content-Type")))}
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return &problem{status: http.StatusRequestEntityTooLarge, sentence: fmt.Sprintf("The body is too long: at most %d bytes are allowed", maxBody)}
	}
	if err != nil {
		return badRequest("The body could not be read to its end")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err = d.Decode(into)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			return badRequest("The body has something behind its JSON object: allowed is one object")
		}
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field == "" {
		return badRequest("The body is a JSON %s: allowed is an object with %s", wrong.Value, into.members())
	} else if wrong != nil {
		return badRequest("The member %s of the body is a JSON %s: allowed is %s", past.Short(wrong.Field), wrong.Value, kindOf(wrong.Type))
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return badRequest("The body has the member %s, which is not known here: allowed are %s", past.Short(strings.Trim(name, `"`)), into.members())
	}
	return badRequest("The body is not valid JSON: allowed is an object with %s", into.members())
}

// kindOf says what JSON a Go type is read from.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	case reflect.Struct:
		return "an object"
	}
	return "a string"
}

// timeMember reads a time of a body; empty: the zero time.
func timeMember(name, text string) (t time.Time, err error) {
	if text == "" {
		return t, nil
	}
	t, ok := past.ParseTime(text)
	if !ok {
		return t, badRequest("The member %q of the body is %s: %s", name, past.Short(text), past.TimeAllowed)
	}
	return t, nil
}

// durationMember reads a length of time of a body, or def where there is none.
func durationMember(name, text string, def time.Duration) (time.Duration, error) {
	if text == "" {
		return def, nil
	}
	d, ok := past.ParseDuration(text)
	if !ok {
		return def, badRequest("The member %q of the body is %s: %s", name, past.Short(text), past.DurationAllowed)
	}
	return d, nil
}

// spanBody is when something is to be, in a body.
type spanBody struct {
	StartsAt string `json:"startsAt"`
	EndsAt   string `json:"endsAt"`
	Duration string `json:"duration"`
}

func (s *spanBody) read() (start, end time.Time, lasting time.Duration, err error) {
	if start, err = timeMember("startsAt", s.StartsAt); err != nil {
		return start, end, lasting, err
	}
	if end, err = timeMember("endsAt", s.EndsAt); err != nil {
		return start, end, lasting, err
	}
	if lasting, err = durationMember("duration", s.Duration, 0); err == nil && (s.EndsAt == "") == (s.Duration == "") {
		err = badRequest(`The body needs "endsAt" or "duration", and not both`)
	}
	return start, end, lasting, err
}
