package api

import (
	"context"
	"errors"
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/outcome"
	"github.com/devops-insights/devops-insights/store/past"
)

// How long badges may be kept: pages show them many times.
const (
	keepStatus = 30 * time.Second
	keepUptime = 5 * time.Minute
)

// The colours of badges; white text is readable on each.
const (
	colorUp       = "#2e7d32"
	colorDegraded = "#a15c00"
	colorDown     = "#c62828"
	colorUnknown  = "#616161"
)

// statusBadge shows what the last poll of a region was.
func (a *API) statusBadge(c *gin.Context) error {
	p, err := readParams(c.Request, "api")
	if err != nil {
		return err
	}
	of, err := a.scopeOf(p["api"], c.Param("region"))
	if err != nil {
		return err
	}
	state := store.StateUnknown
	err = a.aboutPast(c, func(ctx context.Context) error {
		last, err := a.Past.LastOutcome(ctx, of.api, of.source)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil && !a.Now().After(last.Until) {
			state = last.State
		}
		return err
	})
	if err != nil {
		return err
	}
	return a.sendBody(c, typeSVG, badge(of.source, string(state), stateColor(state)), keepStatus)
}

func stateColor(state store.State) string {
	switch state {
	case store.StateUp:
		return colorUp
	case store.StateDegraded:
		return colorDegraded
	case store.StateDown:
		return colorDown
	}
	return colorUnknown
}

// uptimeBadge shows how long a region was up.
func (a *API) uptimeBadge(c *gin.Context) error {
	p, err := readParams(c.Request, "api")
	if err != nil {
		return err
	}
	of, err := a.scopeOf(p["api"], c.Param("region"))
	if err != nil {
		return err
	}
	window, isBadge := strings.CutSuffix(strings.ToLower(c.Param("window")), ".svg")
	from, to, err := past.ParseWindow(window, a.Now())
	if !isBadge || strings.Contains(window, "..") || err != nil {
		return &problem{status: 404, sentence: fmt.Sprintf("There is no badge %s: allowed are durations with .svg, such as 24h.svg, 7d.svg, 30d.svg, 90d.svg and 365d.svg", past.Short(c.Param("window")))}
	}
	var u outcome.Uptime
	err = a.aboutPast(c, func(ctx context.Context) (err error) {
		u, err = outcome.Measure(ctx, a.Past, of.api, of.source, from, to, a.Now())
		return err
	})
	if err != nil {
		return err
	}
	text, color := "unknown", colorUnknown
	if share, ok := u.Ratio(); ok {
		text, color = percentText(share), uptimeColor(share)
	}
	return a.sendBody(c, typeSVG, badge(of.source+" "+window, text, color), keepUptime)
}

func uptimeColor(share float64) string {
	switch {
	case share >= 0.999:
		return colorUp
	case share >= 0.99:
		return colorDegraded
	}
	return colorDown
}

// percentText returns a share in percent with up to two digits behind the point,
// rounded down: 100 % is what was never down.
func percentText(share float64) string {
	hundredths := int64(share*1e4 + 1e-6)
	if share < 1 {
		hundredths = min(hundredths, 9999)
	}
	text := fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + " %"
}

// badge returns an image with two texts beside each other.
func badge(label, value, color string) []byte {
	const height = 20
	left, right := width(label), width(value)
	title := html.EscapeString(label + ": " + value)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" role="img" aria-label="%s"><title>%s</title>`, left+right, height, title, title)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="3" fill="#424242"/>`, left+right, height)
	fmt.Fprintf(&b, `<path d="M%d 0h%da3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-%dz" fill="%s"/>`, left, right-3, right-3, html.EscapeString(color))
	b.WriteString(`<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">`)
	for _, part := range []struct {
		x    int
		text string
	}{{0, label}, {left, value}} {
		n := width(part.text)
		fmt.Fprintf(&b, `<text x="%d" y="14" textLength="%d" lengthAdjust="spacingAndGlyphs">%s</text>`, part.x+padding, n-2*padding, html.EscapeString(part.text))
	}
	b.WriteString("</g></svg>\n")
	return []byte(b.String())
}

// padding is the space beside a text of a badge.
const padding = 6

// width returns about how wide a text is with the space beside it. The image tells
// the browser to fit it.
func width(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case strings.ContainsRune("il.:|!'1", r):
			n += 5
		case strings.ContainsRune("mwMW%", r):
			n += 10
		default:
			n += 7
		}
	}
	return n + 2*padding
}
