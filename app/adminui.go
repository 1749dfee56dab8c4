package app

import (
	"errors"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/socket/adminui"
	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// administrate lets Socket.IO's admin UI connect where that is wanted. Where it is
// not, its namespace is one that does not exist.
func (a *App) administrate() {
	c := a.opts.Config
	if !c.AdminUIOn() {
		return
	}
	credentials := adminui.Credentials{User: c.AdminUIUser, PasswordHash: c.AdminUIPassword, Token: c.AdminToken()}
	var sessions adminui.Sessions = adminui.NewMemory(time.Now)
	if a.redis != nil {
		sessions = adminui.NewShared(a.redis, credentials, time.Now)
	}
	host, _ := os.Hostname() // empty where there is none
	_, port, _ := net.SplitHostPort(a.Addr())
	admin := adminui.New(adminui.Options{
		Server: a.sockets, ServerID: net.JoinHostPort(host, port), Hostname: host, PID: os.Getpid(), Started: a.started,
		Full: c.AdminUI.AdminUI == config.AdminUIFull, Development: c.AdminUIMode == config.AdminUIDevelopment,
		Payloads: c.AdminUIPayloads, Credentials: credentials, Sessions: sessions, SessionTime: c.AdminUISession,
		AllowPage: a.gate.allowAdminPage, Logger: a.log,
	})
	if !a.gate.servesAll() {
		// Pages of the admin UI are let in for its namespace only.
		a.sockets.Of("/").Use(func(s *socketio.Socket) error {
			if a.gate.isAdminPage(s.Request()) {
				return a.gate.allowPage(s.Request())
			}
			return nil
		})
	}
	a.background("admin UI", admin.Run)
	a.log.WithField("mode", c.AdminUIMode).WithField("commands", c.AdminUI.AdminUI == config.AdminUIFull).
		Info("Socket.IO's admin UI can connect to the namespace " + adminui.Name)
}

// isAdminPage reports whether the page is one of ADMIN_UI_ORIGINS.
func (g *gate) isAdminPage(r *http.Request) bool {
	if len(g.admins) == 0 {
		return false
	}
	origin, ok := config.ParseOrigin(r.Header.Get("Origin"))
	return ok && slices.Contains(g.admins, origin)
}

// errAdminPage is what a page is told that is no admin UI.
var errAdminPage = errors.New("pages of this origin may not administrate: ADMIN_UI_ORIGINS of the server does not name it")

// allowAdminPage is nil where the page may log in as the admin UI.
func (g *gate) allowAdminPage(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if g.check == "off" || origin == "" || g.isOwn(origin, r) || g.isAdminPage(r) {
		return nil
	}
	return g.refuse("admin_origin", origin, "a page of another origin wants to be the admin UI; where it is one of yours, add it to ADMIN_UI_ORIGINS, or set ORIGIN_CHECK=log or off", errAdminPage)
}

// withAdminPages lets the pages of the admin UI read answers; for all others
// nothing changes.
func (g *gate) withAdminPages(others engineio.Origins) engineio.Origins {
	if len(g.admins) == 0 {
		return others
	}
	return func(origin string) (string, bool) {
		if parsed, ok := config.ParseOrigin(origin); ok && slices.Contains(g.admins, parsed) {
			return origin, true
		}
		return others(origin)
	}
}

// allowCredentials adds what a browser asks for whose page sends credentials, as
// the admin UI does.
func (g *gate) allowCredentials(w http.ResponseWriter, r *http.Request) {
	if g.isAdminPage(r) {
		w.Header().Set("Access-Control-Allow-Credentials", "true")
	}
}
