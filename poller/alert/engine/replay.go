package engine

import (
	"context"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store/past"
)

// ReplayOptions says what to replay. API, Past, Regions, From, To and Each are
// required.
type ReplayOptions struct {
	API     string
	Past    past.Reader
	Rules   []*rule.Compiled
	Regions []Region
	// From and To bound the time; To is not part of it.
	From, To time.Time
	// Each is told of every time that an alert fired, when it is over, and at the
	// end of those that still fire. An error of it ends the replay.
	Each func(alert.Incident) error
	// Problem is told of a rule that cannot be evaluated, once for each rule and
	// region. Nil: nobody is told.
	Problem func(Problem)
}

// Replay makes the decisions of an Engine over what a store has kept of the past:
// its results of polls and its rows. Nobody is told.
func Replay(ctx context.Context, o ReplayOptions) error { return nil }
