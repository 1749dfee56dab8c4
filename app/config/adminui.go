package config

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// What ADMIN_UI may be.
const (
	AdminUIOff  = "off"
	AdminUIRead = "read"
	AdminUIFull = "full"
)

// What ADMIN_UI_MODE may be.
const (
	AdminUIProduction  = "production"
	AdminUIDevelopment = "development"
)

// AdminUI are the settings of the namespace that Socket.IO's admin UI connects
// to.
type AdminUI struct {
	AdminUI         string
	AdminUIMode     string
	AdminUIUser     string
	AdminUIPassword string // a bcrypt hash
	AdminUIToken    string
	AdminUIOrigins  string
	AdminUISession  time.Duration
	AdminUIPayloads bool
}

func defaultAdminUI() AdminUI {
	return AdminUI{
		AdminUI: AdminUIOff, AdminUIMode: AdminUIProduction, AdminUIUser: "admin",
		AdminUIOrigins: "https://admin.socket.io", AdminUISession: 24 * time.Hour,
	}
}

func (s *AdminUI) declare(d *declaration) {
	d.add(&s.AdminUI, "admin-ui", "ADMIN_UI", "whether Socket.IO's admin UI may connect to the namespace /admin: off, read (it shows) or full (it also emits, moves and disconnects)")
	d.add(&s.AdminUIMode, "admin-ui-mode", "ADMIN_UI_MODE", "what the admin UI sees: production (figures) or development (also sockets, rooms and events)")
	d.add(&s.AdminUIUser, "admin-ui-username", "ADMIN_UI_USERNAME", "user name for the admin UI")
	d.secret(&s.AdminUIPassword, "admin-ui-password", "ADMIN_UI_PASSWORD", "bcrypt hash of the password for the admin UI, for example from htpasswd -nBC 10 admin", redactHash)
	d.secret(&s.AdminUIToken, "admin-ui-token", "ADMIN_UI_TOKEN", "token of at least 16 characters that the admin UI takes in place of the password", redactAll)
	d.add(&s.AdminUIOrigins, "admin-ui-origins", "ADMIN_UI_ORIGINS", "origins whose pages may be the admin UI, separated by commas; empty: those of this server only")
	d.add(&s.AdminUISession, "admin-ui-session", "ADMIN_UI_SESSION", "how long a login to the admin UI is good for")
	d.add(&s.AdminUIPayloads, "admin-ui-payloads", "ADMIN_UI_PAYLOADS", "in development mode: show the payloads of events too")
}

// bcryptSigns are those of a hash behind its cost.
const bcryptSigns = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

const (
	hashSize = 60 // bytes of a bcrypt hash
	minCost  = 10
	maxCost  = 15 // a second or more for each login
	minToken = 16
)

// redactHash keeps the kind and the cost.
func redactHash(text string) string {
	if len(text) != hashSize {
		return redacted
	}
	return text[:7] + strings.Repeat(".", hashSize-7)
}

func (s *AdminUI) check(r *report) {
	s.AdminUI = strings.ToLower(strings.TrimSpace(s.AdminUI))
	s.AdminUIMode = strings.ToLower(strings.TrimSpace(s.AdminUIMode))
	s.AdminUIPassword, s.AdminUIToken = strings.TrimSpace(s.AdminUIPassword), strings.TrimSpace(s.AdminUIToken)
	if !slices.Contains([]string{AdminUIOff, AdminUIRead, AdminUIFull}, s.AdminUI) {
		r.bad("ADMIN_UI=%q is unknown: off, read and full are allowed", s.AdminUI)
	}
	if !slices.Contains([]string{AdminUIProduction, AdminUIDevelopment}, s.AdminUIMode) {
		r.bad("ADMIN_UI_MODE=%q is unknown: production and development are allowed", s.AdminUIMode)
	}
	if s.AdminUISession < time.Minute || s.AdminUISession > 30*24*time.Hour {
		r.bad("ADMIN_UI_SESSION=%s is out of range: 1m to 720h are allowed", s.AdminUISession)
	}
	s.checkCredentials(r)
	_, err := s.AdminOrigins()
	r.err(err)
	if s.AdminUIPayloads && s.AdminUIMode != AdminUIDevelopment {
		r.warn("ADMIN_UI_PAYLOADS=true shows nothing: events are shown with ADMIN_UI_MODE=development only")
	}
}

func (s *AdminUI) checkCredentials(r *report) {
	if s.AdminUIOn() && s.AdminUIPassword == "" && s.AdminUIToken == "" {
		r.bad("ADMIN_UI=%s needs ADMIN_UI_PASSWORD, a bcrypt hash, or ADMIN_UI_TOKEN: nobody could log in", s.AdminUI)
	}
	if s.AdminUIPassword != "" && strings.TrimSpace(s.AdminUIUser) == "" {
		r.bad("ADMIN_UI_USERNAME is empty: the password of ADMIN_UI_PASSWORD belongs to a name, for example admin")
	}
	if s.AdminUIPassword != "" {
		switch cost, err := bcrypt.Cost([]byte(s.AdminUIPassword)); {
		case err != nil || len(s.AdminUIPassword) != hashSize || strings.Trim(s.AdminUIPassword[7:], bcryptSigns) != "":
			r.bad("ADMIN_UI_PASSWORD is no bcrypt hash: 60 characters that begin with $2a$, $2b$ or $2y$ are expected, as htpasswd -nBC 10 admin prints them behind the colon; where Docker Compose reads it, write each $ twice")
		case cost > maxCost:
			r.bad("ADMIN_UI_PASSWORD has a cost of %d: at most %d, or a login takes seconds", cost, maxCost)
		case cost < minCost:
			r.warn("ADMIN_UI_PASSWORD has a cost of %d: whoever sees the hash can try passwords fast; %d is usual (htpasswd -nBC %d admin)", cost, minCost, minCost)
		}
	}
	switch {
	case s.AdminUIToken == redacted:
		r.warn("ADMIN_UI_TOKEN is what the command config prints in its place: nobody can log in with it")
	case s.AdminUIToken != "" && len(s.AdminUIToken) < minToken:
		r.bad("ADMIN_UI_TOKEN is too short: at least %d characters, for example from openssl rand -hex 16", minToken)
	}
}

// AdminUIOn reports whether the admin UI may connect.
func (s *AdminUI) AdminUIOn() bool { return s.AdminUI == AdminUIRead || s.AdminUI == AdminUIFull }

// AdminToken returns the token that logs in; empty where there is none.
func (s *AdminUI) AdminToken() string {
	if s.AdminUIToken == redacted {
		return ""
	}
	return s.AdminUIToken
}

// AdminOrigins reads the origins of ADMIN_UI_ORIGINS, in the form in which
// browsers send them.
func (s *AdminUI) AdminOrigins() ([]string, error) {
	return parseOrigins("ADMIN_UI_ORIGINS", s.AdminUIOrigins, false)
}
