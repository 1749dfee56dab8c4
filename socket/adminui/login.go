package adminui

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// Credentials are what an administrator logs in with: the name with the password,
// or the token, which may also stand in the place of the password.
type Credentials struct {
	User string
	// PasswordHash is a bcrypt hash; empty: no password logs in.
	PasswordHash string
	// Token is empty where none logs in.
	Token string
}

// Sessions remembers logins: the UI keeps the id of a session, and not the
// password.
type Sessions interface {
	// Save remembers a session until it ends.
	Save(ctx context.Context, id string, ends time.Time) error
	// Ends returns when a session ends; the zero time where there is none.
	Ends(ctx context.Context, id string) (time.Time, error)
}

// errInvalid is the text for which the UI asks for name and password.
var errInvalid = &socketio.ConnectError{Message: "invalid credentials"}

const (
	maxPassword   = 1024
	verifiers     = 2 // passwords that are checked at a time: each takes a core for a while
	lookupTimeout = 2 * time.Second
	verifyTimeout = 10 * time.Second
)

// visitor is an administrator. It is the data of the socket, of which other
// servers see what Node's servers tell each other.
type visitor struct {
	link
	by       string        // password, token or session
	session  string        // a new one, to be told
	ends     time.Time     // when it has to log in again
	commands *rate.Limiter // what it may ask for
}

func visitorOf(s *socketio.Socket) *visitor {
	if v, ok := s.Data().(*visitor); ok {
		return v
	}
	return &visitor{} // nobody else sets the data of these sockets
}

// gate decides who may log in.
type gate struct {
	Credentials
	lookups, logins *attempts
	verifying       chan struct{}
	refused         *rate.Limiter // lines about refusals
}

func newGate(o Options) *gate {
	return &gate{
		Credentials: o.Credentials,
		lookups:     newAttempts(o.Now, bucketSize{burst: 20, every: time.Second}, bucketSize{burst: 200, every: 20 * time.Millisecond}),
		logins:      newAttempts(o.Now, bucketSize{burst: 5, every: 10 * time.Second}, bucketSize{burst: 20, every: time.Second}),
		verifying:   make(chan struct{}, verifiers),
		refused:     rate.NewLimiter(rate.Every(10*time.Second), 10),
	}
}

// authenticate is the middleware of the namespace.
func (a *Admin) authenticate(s *socketio.Socket) error {
	if err := a.AllowPage(s.Request()); err != nil {
		a.refuse(s, "origin")
		return &socketio.ConnectError{Message: err.Error()}
	}
	v, err := a.login(s)
	if err != nil {
		a.refuse(s, err.Error())
		return err
	}
	v.link = link{s}
	v.commands = rate.NewLimiter(commandRate, commandBurst)
	s.SetData(v)
	return nil
}

// refuse logs that somebody was not let in, and nothing of what was tried: a
// password may stand in the place of the name.
func (a *Admin) refuse(s *socketio.Socket, reason string) {
	line := a.Logger.WithField("address", s.Session().RemoteAddr()).WithField("reason", reason)
	if !a.gate.refused.AllowN(a.Now(), 1) {
		line.Debug("an administrator was not let in")
		return
	}
	line.Warn("an administrator was not let in")
}

// claim is what a client sends to log in; members of other types count as
// missing.
type claim struct{ session, user, password, token string }

func readClaim(s *socketio.Socket) claim {
	var all map[string]json.RawMessage
	_ = json.Unmarshal(s.Auth(), &all) // what is no object claims nothing
	text := func(name string) (value string) {
		_ = json.Unmarshal(all[name], &value)
		return value
	}
	c := claim{text("sessionId"), text("username"), text("password"), text("token")}
	if scheme, token, _ := strings.Cut(s.Request().Header.Get("Authorization"), " "); c.token == "" && strings.EqualFold(scheme, "Bearer") {
		c.token = strings.TrimSpace(token)
	}
	return c
}

var sessionID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// login returns who comes, or why not.
func (a *Admin) login(s *socketio.Socket) (*visitor, error) {
	c, from := readClaim(s), s.Session().RemoteAddr()
	if sessionID.MatchString(c.session) {
		if wait := a.gate.lookups.take(from); wait > 0 {
			return nil, tooMany(wait)
		}
		if ends := a.lookup(s, c.session); a.Now().Before(ends) {
			a.gate.lookups.passed(from)
			return &visitor{by: "session", ends: ends}, nil
		}
	}
	if c.password == "" && c.token == "" {
		return nil, errInvalid
	}
	if wait := a.gate.logins.take(from); wait > 0 {
		return nil, tooMany(wait)
	}
	by, err := a.gate.check(s.Context(), c)
	if err != nil {
		return nil, err
	}
	a.gate.logins.passed(from)
	v := &visitor{by: by, ends: a.Now().Add(a.SessionTime)}
	if c.password != "" {
		v.session = newSession()
		a.save(s, v)
	}
	return v, nil
}

func tooMany(wait time.Duration) error {
	return &socketio.ConnectError{Message: fmt.Sprintf("too many attempts to log in: try again in %d s", int((wait+time.Second-1)/time.Second))}
}

func newSession() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (a *Admin) lookup(s *socketio.Socket, id string) time.Time {
	ctx, cancel := context.WithTimeout(s.Context(), lookupTimeout)
	defer cancel()
	ends, err := a.Sessions.Ends(ctx, id)
	if err != nil {
		a.Logger.WithError(err).Warn("sessions of administrators cannot be looked up: they have to log in again")
	}
	return ends
}

func (a *Admin) save(s *socketio.Socket, v *visitor) {
	ctx, cancel := context.WithTimeout(s.Context(), lookupTimeout)
	defer cancel()
	if err := a.Sessions.Save(ctx, v.session, v.ends); err != nil {
		a.Logger.WithError(err).Warn("the session of an administrator is known to this instance only")
	}
}

// check compares what was sent with the credentials, and takes as long for a
// wrong name as for a wrong password.
func (g *gate) check(ctx context.Context, c claim) (by string, err error) {
	if g.isToken(c.token) || g.isToken(c.password) {
		return "token", nil
	}
	if g.PasswordHash == "" || c.password == "" || len(c.password) > maxPassword {
		return "", errInvalid
	}
	limited, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	select {
	case g.verifying <- struct{}{}:
		defer func() { <-g.verifying }()
	case <-limited.Done():
		return "", &socketio.ConnectError{Message: "the server is busy with other logins: try again"}
	}
	wrong := bcrypt.CompareHashAndPassword([]byte(g.PasswordHash), []byte(c.password))
	if !equal(c.user, g.User) || wrong != nil {
		return "", errInvalid
	}
	return "password", nil
}

func (g *gate) isToken(text string) bool { return g.Token != "" && equal(text, g.Token) }

// equal takes the same time whatever the texts are.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
