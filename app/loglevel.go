package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app/logging"
)

const (
	// logLevelPath is where the level of the log is asked for and changed.
	logLevelPath = "/loglevel"
	// The time that a rule lasts where the request names none, and the bounds.
	ruleTime    = 30 * time.Minute
	minRuleTime = time.Second
	maxRuleTime = 24 * time.Hour
	// maxRuleBody bounds a request, maxUser the name of a user in it.
	maxRuleBody = 4 << 10
	maxUser     = 200
)

// logLevel lets the on-call engineer see more, or less, of the log for a while.
// Pages of other origins cannot: a browser says where they are from.
func (a *App) logLevel(r *gin.Engine) {
	foreign := http.NewCrossOriginProtection()
	change := func(do func(*http.Request) error) gin.HandlerFunc {
		return func(c *gin.Context) {
			if err := foreign.Check(c.Request); err != nil {
				writeJSON(c.Writer, http.StatusForbidden, gin.H{"error": "A page of another origin cannot change the level of the log"})
				return
			}
			if err := do(c.Request); err != nil {
				writeJSON(c.Writer, http.StatusBadRequest, gin.H{"error": err.Error()})
				return
			}
			a.showLogLevel(c)
		}
	}
	r.GET(logLevelPath, a.showLogLevel)
	r.PUT(logLevelPath, change(a.setLogLevel))
	r.DELETE(logLevelPath, change(a.clearLogLevel))
	r.POST(logLevelPath, func(c *gin.Context) { // what curl -d sends where nothing else is said
		c.Header("Allow", "GET, PUT, DELETE")
		writeJSON(c.Writer, http.StatusMethodNotAllowed, gin.H{"error": "PUT changes the level of the log, DELETE takes that back, GET shows it: with curl, -X PUT"})
	})
}

type logRule struct {
	Level string `json:"level"`
	logging.Filter
	Until string `json:"until"`
}

func (a *App) showLogLevel(c *gin.Context) {
	base, rules := a.logs.Levels.Rules()
	shown := make([]logRule, len(rules))
	for i, r := range rules {
		shown[i] = logRule{r.Level.String(), r.Filter, r.Until.UTC().Format(time.RFC3339)}
	}
	writeJSON(c.Writer, http.StatusOK, struct {
		Level string    `json:"level"`
		Rules []logRule `json:"rules"`
	}{base.String(), shown})
}

func (a *App) clearLogLevel(r *http.Request) error {
	a.logs.Levels.Clear()
	a.log.WithField("request_id", requestID(r)).Info("the level of the log is that of the settings again")
	return nil
}

func (a *App) setLogLevel(r *http.Request) error {
	rule, err := a.readRule(r.Body)
	if err != nil {
		return err
	}
	if err := a.logs.Levels.Set(rule); err != nil {
		return err
	}
	line := logrus.Fields{"request_id": requestID(r), "log_level": rule.Level.String(), "until": rule.Until.UTC().Format(time.RFC3339)}
	for name, value := range map[string]string{"only_region": rule.Region, "only_address": rule.Address, "only_user": rule.User} {
		if value != "" {
			line[name] = value
		}
	}
	a.log.WithFields(line).Info("the level of the log was changed for a while")
	return nil
}

// readRule reads the body of a request; an error is a sentence for who sent it.
func (a *App) readRule(body io.Reader) (rule logging.Rule, err error) {
	var asked struct {
		Level string `json:"level"`
		logging.Filter
		For string `json:"for"`
	}
	text, err := io.ReadAll(io.LimitReader(body, maxRuleBody+1))
	if err != nil || len(text) > maxRuleBody {
		//lint:ignore ST1005 it is the whole answer to a person
		return rule, fmt.Errorf("The body must be one JSON object of at most %d bytes, for example {\"level\":\"debug\",\"region\":\"eu-west\",\"for\":\"10m\"}", maxRuleBody)
	}
	in := json.NewDecoder(strings.NewReader(string(text)))
	in.DisallowUnknownFields()
	if err := in.Decode(&asked); err != nil || in.More() {
		//lint:ignore ST1005 it is the whole answer to a person
		return rule, errors.New(`The body must be one JSON object with "level" and, where wanted, "region", "address", "user" and "for", all of them texts, for example {"level":"debug","region":"eu-west","for":"10m"}`)
	}
	if err := refuseEmpty(text); err != nil {
		return rule, err
	}
	rule.Filter = asked.Filter
	if rule.Level, err = parseLevel(asked.Level); err != nil {
		return rule, err
	}
	if err := a.checkFilter(&rule.Filter); err != nil {
		return rule, err
	}
	last := ruleTime
	if asked.For != "" {
		if last, err = time.ParseDuration(asked.For); err != nil || last < minRuleTime || last > maxRuleTime {
			return rule, fmt.Errorf("for=%.40q is no time that a rule may last: a duration from 1s to 24h is allowed, for example 10m", asked.For)
		}
	}
	rule.Until = time.Now().Add(last)
	return rule, nil
}

// refuseEmpty returns an error where a filter is there and empty: a variable of a
// script that is not set would else mean every line.
func refuseEmpty(body []byte) error {
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		return err
	}
	for name, value := range members {
		if value == "" && !strings.EqualFold(name, "level") && !strings.EqualFold(name, "for") {
			return fmt.Errorf("%s is empty: leave it out to mean every line", strings.ToLower(name))
		}
	}
	return nil
}

func parseLevel(name string) (logrus.Level, error) {
	switch level := strings.ToLower(strings.TrimSpace(name)); level {
	case "debug", "info", "warn", "warning", "error":
		return logrus.ParseLevel(level)
	}
	return 0, fmt.Errorf("level=%.40q is unknown: debug, info, warning and error are allowed", name)
}

// checkFilter puts a filter into the form that lines have.
func (a *App) checkFilter(f *logging.Filter) error {
	f.Region = strings.ToLower(f.Region)
	if known := a.regionNames(); f.Region != "" && !slices.Contains(known, f.Region) {
		return fmt.Errorf("region=%.40q is no region of this server: %s are", f.Region, strings.Join(known, ", "))
	}
	if f.Address != "" {
		address, err := netip.ParseAddr(f.Address)
		if err != nil || address.Zone() != "" {
			return fmt.Errorf("address=%.60q is no IP address: one without a port is allowed, for example 10.0.0.7", f.Address)
		}
		f.Address = address.Unmap().String()
	}
	if len(f.User) > maxUser {
		return fmt.Errorf("user=%.40q… is too long: at most %d bytes are allowed", f.User, maxUser)
	}
	return nil
}

// regionNames returns the regions of all APIs, each once.
func (a *App) regionNames() (names []string) {
	for _, one := range a.Catalog() {
		for _, name := range one.Sources() {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
