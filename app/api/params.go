package api

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/store/past"
)

// params are the parameters of a question: each known, given once, and of valid
// text. One that is empty counts as not given.
type params map[string]string

// readParams returns the parameters of a request, or which of them is wrong.
func readParams(r *http.Request, known ...string) (params, error) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, &problem{status: http.StatusRequestEntityTooLarge, sentence: fmt.Sprintf("The parameters are %d bytes long: at most %d are allowed", len(r.URL.RawQuery), maxQuery)}
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("The parameters cannot be read (%s): write %%25 for %%, %%26 for & and %%3B for a semicolon", past.Short(err.Error()))
	}
	p := make(params, len(values))
	for name, all := range values {
		switch {
		case !slices.Contains(known, name):
			return nil, &problem{
				status: http.StatusBadRequest, allowed: known,
				sentence: fmt.Sprintf("The parameter %s is not known here: allowed are %s", past.Short(name), strings.Join(known, ", ")),
			}
		case len(all) > 1:
			return nil, badRequest("The parameter %q is given %d times: once is allowed", name, len(all))
		case !utf8.ValidString(all[0]):
			return nil, badRequest("The parameter %q is not UTF-8", name)
		case all[0] != "":
			p[name] = all[0]
		}
	}
	return p, nil
}

// maxQuery bounds the length of all parameters together.
const maxQuery = 16 << 10

// time returns a time, or def where it is not given.
func (p params) time(name string, def time.Time) (time.Time, error) {
	text := p[name]
	if text == "" {
		return def, nil
	}
	t, ok := past.ParseTime(text)
	if !ok {
		return def, &past.ParamError{Param: name, Value: text, Reason: past.TimeAllowed}
	}
	return t, nil
}

// span returns a range of time of which the first end is not behind the second.
func (p params) span(from, to time.Time) (time.Time, time.Time, error) {
	var err error
	if from, err = p.time("from", from); err != nil {
		return from, to, err
	}
	if to, err = p.time("to", to); err != nil {
		return from, to, err
	}
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		return from, to, badRequest(`The parameter "from" is %s, which is after "to", %s: allowed is a time that is not`, from.Format(time.RFC3339Nano), to.Format(time.RFC3339Nano))
	}
	return from, to, nil
}

// duration returns a length of time, or def where it is not given.
func (p params) duration(name string, def time.Duration) (time.Duration, error) {
	text := p[name]
	if text == "" {
		return def, nil
	}
	d, ok := past.ParseDuration(text)
	if !ok {
		return def, &past.ParamError{Param: name, Value: text, Reason: past.DurationAllowed}
	}
	return d, nil
}

var digits = regexp.MustCompile(`^\d{1,9}$`)

// count returns a number from 1 to most, or def where it is not given.
func (p params) count(name string, def, most int) (int, error) {
	text := p[name]
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || !digits.MatchString(text) || n < 1 || n > most {
		return 0, badRequest("The parameter %q is %s: allowed is a whole number from 1 to %d", name, past.Short(text), most)
	}
	return n, nil
}

// choice returns one of some words, the first where none is given.
func (p params) choice(name string, words ...string) (string, error) {
	text := p[name]
	if text == "" {
		return words[0], nil
	}
	if lower := strings.ToLower(text); slices.Contains(words, lower) {
		return lower, nil
	}
	return "", &problem{
		status: http.StatusBadRequest, allowed: words,
		sentence: fmt.Sprintf("The parameter %q is %s: allowed are %s", name, past.Short(text), strings.Join(words, ", ")),
	}
}
