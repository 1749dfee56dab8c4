package logging

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Filter says which lines a rule is for: those that have all fields that it
// names. The zero value is for every line.
type Filter struct {
	Region  string `json:"region,omitempty"`
	Address string `json:"address,omitempty"` // an IP address, without a port
	User    string `json:"user,omitempty"`
}

// Rule is the level of some lines, or of all, until a time.
type Rule struct {
	Level logrus.Level
	Filter
	Until time.Time
}

// maxRules bounds the rules at one time: each line is compared with all.
const maxRules = 32

// ErrTooManyRules is what Set answers where there are as many as may be.
var ErrTooManyRules = errors.New("there are 32 rules for the level of the log already: take them back, or wait until one has ended")

// Levels decides which lines the log shows: those of the level that the settings
// name, and of what rules say for a while. It is safe for concurrent use.
type Levels struct {
	log *logrus.Logger

	mu    sync.Mutex
	base  logrus.Level
	rules []Rule
	timer *time.Timer // ends the next rule
	// What lines are compared with; nil while there are no rules, and the level
	// of the logger alone decides.
	current atomic.Pointer[ruling]
}

type ruling struct {
	level logrus.Level // of all lines that no rule is for
	rules []Rule
}

func newLevels(log *logrus.Logger) *Levels { return &Levels{log: log, base: log.GetLevel()} }

// SetBase sets the level of the settings. Rules stay.
func (l *Levels) SetBase(level logrus.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.base = level
	l.apply(time.Now())
}

// Set adds a rule; it takes the place of one with the same filter.
func (l *Levels) Set(r Rule) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.apply(now)
	rules := slices.DeleteFunc(slices.Clone(l.rules), func(other Rule) bool { return other.Filter == r.Filter })
	if len(rules) >= maxRules {
		return ErrTooManyRules
	}
	l.rules = append(rules, r)
	l.apply(now)
	return nil
}

// Clear takes all rules back.
func (l *Levels) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = nil
	l.apply(time.Now())
}

// Rules returns the level of the settings and the rules.
func (l *Levels) Rules() (base logrus.Level, rules []Rule) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.apply(time.Now())
	return l.base, slices.Clone(l.rules)
}

// apply leaves out rules that have ended, and makes the logger as talkative as
// the most talkative one needs; the lock is held.
func (l *Levels) apply(now time.Time) {
	l.rules = slices.DeleteFunc(slices.Clone(l.rules), func(r Rule) bool { return !now.Before(r.Until) })
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if len(l.rules) == 0 {
		l.log.SetLevel(l.base)
		l.current.Store(nil)
		return
	}
	next := slices.MinFunc(l.rules, func(a, b Rule) int { return a.Until.Compare(b.Until) })
	l.timer = time.AfterFunc(next.Until.Sub(now), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.apply(time.Now())
	})
	is := &ruling{level: l.base, rules: l.rules}
	if i := slices.IndexFunc(l.rules, func(r Rule) bool { return r.Filter == (Filter{}) }); i >= 0 {
		is.level = l.rules[i].Level
	}
	most := slices.MaxFunc(l.rules, func(a, b Rule) int { return cmp.Compare(a.Level, b.Level) })
	l.current.Store(is)
	l.log.SetLevel(max(is.level, most.Level))
}

// Shows reports whether a line that the logger's level lets through is shown.
func (l *Levels) Shows(e *logrus.Entry) bool {
	is := l.current.Load()
	if is == nil {
		return true
	}
	level, found := is.level, false
	for _, r := range is.rules {
		if r.Filter == (Filter{}) || !r.fits(e.Data) || found && r.Level < level {
			continue
		}
		level, found = r.Level, true
	}
	return e.Level <= level
}

// Shown returns a hook that hears only of lines that are shown: while a rule is
// there, the logger makes more of them.
func (l *Levels) Shown(h logrus.Hook) logrus.Hook { return shownHook{h, l} }

type shownHook struct {
	logrus.Hook
	levels *Levels
}

// Fire implements logrus.Hook.
func (h shownHook) Fire(e *logrus.Entry) error {
	if !h.levels.Shows(e) {
		return nil
	}
	return h.Hook.Fire(e)
}

func (f Filter) fits(fields logrus.Fields) bool {
	return is(fields, "region", f.Region) && is(fields, "user", f.User) && (f.Address == "" || addressIn(fields) == f.Address)
}

func is(fields logrus.Fields, name, want string) bool {
	return want == "" || strings.EqualFold(fmt.Sprint(fields[name]), want)
}

// addressIn is the address of a line without its port.
func addressIn(fields logrus.Fields) string {
	v, found := fields["address"]
	if !found {
		return ""
	}
	text := fmt.Sprint(v)
	if host, _, err := net.SplitHostPort(text); err == nil {
		return host
	}
	return text
}
