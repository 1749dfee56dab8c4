package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/past"
)

// maxAudited bounds what the log repeats of a text that was not checked.
const maxAudited = 100

// write is a request that changes something.
type write struct {
	action, api, id string
	who             quiet.Who
	handedOn        bool // to what keeps it, which logs what came of it
}

// write makes an answer of what changes something, for those who may. What is
// refused before anything else has heard of it is logged here.
func (a *API) write(action string, trusted bool, do func(*gin.Context, *write) error) func(*gin.Context) error {
	return func(c *gin.Context) error {
		w := &write{action: action, id: c.Param("id"), who: quiet.Who{Address: c.Request.RemoteAddr, RequestID: c.Request.Header.Get("X-Request-Id")}}
		err := a.mayWrite(c, trusted)
		if err == nil {
			err = do(c, w)
		}
		if err != nil && !w.handedOn {
			a.audit(w, asProblem(err))
		}
		return err
	}
}

// mayWrite is nil where the client has the token, or is trusted.
func (a *API) mayWrite(c *gin.Context, trusted bool) error {
	if trusted {
		return nil
	}
	if a.Alerting.Token == "" {
		return &problem{status: http.StatusForbidden, sentence: "Nobody may write here, because ALERT_TOKEN is not set: set it on the server, or use the internal address"}
	}
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && sameSecret(strings.TrimSpace(token), a.Alerting.Token) {
		return nil
	}
	c.Header("WWW-Authenticate", `Bearer realm="alerts"`)
	return &problem{status: http.StatusUnauthorized, sentence: "The token is missing or wrong: send the one that ALERT_TOKEN of the server has in the header Authorization: Bearer TOKEN"}
}

// sameSecret compares in a time that tells nothing of the secret, nor of its length.
func sameSecret(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// audit logs a request that was refused here, as quiet does what it hears of.
func (a *API) audit(w *write, p *problem) {
	line := a.Logger.WithFields(logrus.Fields{
		"audit": true, "action": w.action, "who": shorten(w.who.Name), "address": w.who.Address, "request_id": w.who.RequestID,
		"api": w.api, "id": shorten(w.id), "status": p.status,
	})
	if p.status >= http.StatusInternalServerError {
		line.WithField("result", "failed").WithError(cause(p)).Warn("a request to write could not be carried out")
		return
	}
	line.WithFields(logrus.Fields{"result": "refused", "reason": p.sentence}).Info("a request to write was refused")
}

func shorten(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxAudited)], "") }

// writeScope returns what a request is about, which its parameter api says. Its
// other parameters must be among the ones named.
func (a *API) writeScope(c *gin.Context, w *write, others ...string) (scope, error) {
	p, err := readParams(c.Request, append([]string{"api"}, others...)...)
	if err != nil {
		return scope{}, err
	}
	w.who.Name = p["by"]
	of, err := a.scope(p)
	w.api = of.api
	return of, err
}

// ended returns what a request that ends something is about.
func (a *API) ended(c *gin.Context, w *write) (scope, error) {
	of, err := a.writeScope(c, w, "by")
	if err == nil && w.who.Name == "" {
		err = badRequest(`The parameter "by" is needed: the name of the person who ends it`)
	}
	return of, err
}

// handOn has a request carried out. not says what did not happen where it fails.
func (a *API) handOn(c *gin.Context, w *write, not string, do func(context.Context) error) error {
	if !a.writes.take(c.Request.Context(), a.Wait) {
		return busy("requests to write")
	}
	defer a.writes.free()
	w.handedOn = true
	err := do(c.Request.Context())
	var refused *quiet.Refused
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return badRequest("%s: %v", not, err)
	case errors.Is(err, store.ErrNotFound):
		return missing("%s: there is no %s of the api %s", not, past.Short(w.id), w.api)
	case errors.Is(err, quiet.ErrTaken), errors.Is(err, quiet.ErrFull), errors.Is(err, quiet.ErrSettings):
		return conflict("%s: %v", not, err)
	}
	return &problem{status: http.StatusServiceUnavailable, sentence: not + ": the store cannot be written at this moment: ask again later", cause: err}
}

func conflict(format string, args ...any) error {
	return &problem{status: http.StatusConflict, sentence: fmt.Sprintf(format, args...)}
}

func missing(format string, args ...any) error {
	return &problem{status: http.StatusNotFound, sentence: fmt.Sprintf(format, args...)}
}

// sendWritten answers with what is stored now.
func sendWritten(c *gin.Context, status int, v interface{ AppendJSON(b []byte) []byte }) {
	c.Header("Cache-Control", "no-store")
	c.Data(status, typeJSON, v.AppendJSON(nil))
}

func created(fresh bool) int {
	if fresh {
		return http.StatusCreated
	}
	return http.StatusOK
}
