package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// maxBody bounds what a template writes.
const maxBody = 256 << 10

// Data is what a template sees: the fields of the Document, and more.
type Data struct {
	Document
	// Key is that of the message: the same in every try.
	Key string
	// Kind is firing, reminder or resolved.
	Kind string
	// Incident is the same for all messages of one time that an alert fires.
	Incident string
	// Alert is the alert itself.
	Alert alert.Alert
	// Summary, Description, RunbookURL, Link, API, Region, Rule and Severity are
	// texts of the alert; they are empty where there is nothing.
	Summary, Description, RunbookURL, Link string
	API, Region, Rule, Severity            string
	StartsAt, EndsAt                       time.Time
}

func dataOf(m alert.Message, externalURL string) Data {
	a := m.Alert
	return Data{
		Document: document(m, externalURL), Key: m.Key, Kind: string(m.Kind), Incident: a.Incident, Alert: a,
		Summary: a.Summary, Description: a.Description, RunbookURL: a.RunbookURL, Link: linkTo(a, externalURL),
		API: a.API, Region: a.Region, Rule: a.Rule, Severity: string(a.Severity), StartsAt: startOf(a), EndsAt: endOf(m),
	}
}

// TemplateError is what is wrong with a template of a receiver.
type TemplateError struct {
	// Receiver is the name of the receiver.
	Receiver string
	// Header is the name of the header whose value it is; empty: the body.
	Header string
	// Line and Column are where in the text, from 1 on; 0: unknown.
	Line, Column int
	// Sentence says what is wrong, and holds nothing of what the template wrote.
	Sentence string
}

// Error returns the sentence with its place.
func (e *TemplateError) Error() string {
	what := "its template"
	if e.Header != "" {
		what = "the template in its header " + e.Header
	}
	place := ""
	if e.Line > 0 {
		place = fmt.Sprintf(" (line %d", e.Line)
		if e.Column > 0 {
			place += fmt.Sprintf(", column %d", e.Column)
		}
		place += ")"
	}
	return fmt.Sprintf("receiver %s: %s%s %s", e.Receiver, what, place, e.Sentence)
}

// templates are those of one receiver.
type templates struct {
	body   *template.Template // nil: version 4
	header map[string][]*template.Template
	plain  http.Header // the values that are no templates
	json   bool        // the body must be JSON
}

func parseTemplates(r Receiver) (*templates, error) {
	t := &templates{header: make(map[string][]*template.Template), plain: make(http.Header), json: isJSON(r.ContentType)}
	funcs := functions(r.Header)
	var err error
	if r.Template != "" {
		if t.body, err = template.New("body").Option("missingkey=zero").Funcs(funcs).Parse(r.Template); err != nil {
			return nil, parseError(r, "", err)
		}
	}
	for name, values := range r.Header {
		for _, v := range values {
			if r.Type == Alertmanager || !strings.Contains(v, "{{") {
				t.plain.Add(name, v)
				continue
			}
			parsed, err := template.New("header").Option("missingkey=zero").Funcs(funcs).Parse(v)
			if err != nil {
				return nil, parseError(r, name, err)
			}
			t.header[name] = append(t.header[name], parsed)
		}
	}
	return t, nil
}

// render returns body and headers of a message. The error is a *TemplateError.
func (t *templates) render(r Receiver, m alert.Message, externalURL string) (body []byte, h http.Header, err error) {
	data := dataOf(m, externalURL)
	h = t.plain.Clone()
	for name, list := range t.header {
		for _, one := range list {
			value, err := execute(one, data)
			if err != nil {
				return nil, nil, executeError(r, name, err)
			}
			text := strings.TrimSpace(string(value))
			if !httpguts.ValidHeaderFieldValue(text) {
				return nil, nil, &TemplateError{Receiver: r.Name, Header: name, Sentence: "made a value that cannot be sent, with a line break or another control character"}
			}
			h.Add(name, text)
		}
	}
	if t.body == nil {
		body, err = json.Marshal(data.Document)
		return body, h, err
	}
	if body, err = execute(t.body, data); err != nil {
		return nil, nil, executeError(r, "", err)
	}
	if t.json {
		if err := checkJSON(body); err != nil {
			return nil, nil, &TemplateError{Receiver: r.Name, Sentence: err.Error()}
		}
	}
	return body, h, nil
}

// checkJSON says where a body is not JSON, without showing any of it.
func checkJSON(body []byte) error {
	var raw json.RawMessage
	err := json.Unmarshal(body, &raw)
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := body[:min(int(syntax.Offset), len(body))]
		return fmt.Errorf("made something that is not JSON, at line %d of its output: put every text through the function json, as in {{ json .Summary }}", 1+bytes.Count(before, []byte("\n")))
	}
	return errors.New("made something that is not JSON")
}

func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
}

var errTooLong = fmt.Errorf("made more than %d KiB", maxBody>>10)

// bounded ends a template that writes too much.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxBody {
		return 0, errTooLong
	}
	return b.Buffer.Write(p)
}

func execute(t *template.Template, d Data) ([]byte, error) {
	var out bounded
	err := t.Execute(&out, d)
	return out.Bytes(), err
}

// splitPlace takes off where text/template says that something is wrong: "template: name:2:5: "
// and, at run time, "executing "name" at <…>: ", which quotes the template.
func splitPlace(text string) (line, column int, rest string) {
	m := regexp.MustCompile(`(?s)^template: \w+:(\d+)(?::(\d+))?: (?:executing "\w*" at <.*?>: )?(.*)$`).FindStringSubmatch(text)
	if m == nil {
		return 0, 0, text
	}
	line, _ = strconv.Atoi(m[1])
	if column, _ = strconv.Atoi(m[2]); m[2] != "" {
		column++ // text/template counts from 0
	}
	return line, column, m[3]
}

func parseError(r Receiver, header string, err error) error {
	line, column, rest := splitPlace(err.Error())
	return &TemplateError{Receiver: r.Name, Header: header, Line: line, Column: column, Sentence: "cannot be used: " + rest}
}

func executeError(r Receiver, header string, err error) error {
	if errors.Is(err, errTooLong) {
		return &TemplateError{Receiver: r.Name, Header: header, Sentence: errTooLong.Error()}
	}
	line, column, rest := splitPlace(err.Error())
	return &TemplateError{Receiver: r.Name, Header: header, Line: line, Column: column, Sentence: "cannot be executed: " + rest}
}

// functions are what templates can call, beside those of text/template.
func functions(header http.Header) template.FuncMap {
	return template.FuncMap{
		// json writes a value as JSON, a text with its quotes.
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		// header is the value of one of the receiver's own headers, so that a secret
		// can stand in a body as well.
		"header":     func(name string) string { return header.Get(name) },
		"truncate":   truncate,
		"toUpper":    strings.ToUpper,
		"toLower":    strings.ToLower,
		"trimSpace":  strings.TrimSpace,
		"join":       func(sep string, s []string) string { return strings.Join(s, sep) },
		"default":    func(other, text string) string { return orElse(text, other) },
		"replaceAll": func(old, by, text string) string { return strings.ReplaceAll(text, old, by) },
		"line":       func(text string) string { return strings.Join(strings.Fields(text), " ") },
		"slack":      slack,
		"time":       func(layout string, t time.Time) string { return t.UTC().Format(layout) },
	}
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// truncate cuts a text to n characters, the last of which is then an ellipsis.
func truncate(n int, text string) string {
	if n < 1 || utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// slack makes a text harmless in Slack's mrkdwn, at most n characters long.
func slack(n int, text string) string {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	if whole := escape.Replace(text); utf8.RuneCountInString(whole) <= n {
		return whole
	}
	var b strings.Builder
	left := n - 1 // for the ellipsis
	for _, r := range text {
		one := escape.Replace(string(r))
		if left -= utf8.RuneCountInString(one); left < 0 {
			break
		}
		b.WriteString(one)
	}
	return b.String() + "…"
}
