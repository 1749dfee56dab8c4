package notify_test

import (
	"github.com/devops-insights/devops-insights/poller/alert/engine"
	"github.com/devops-insights/devops-insights/poller/alert/notify"
)

// An engine is what a sender needs.
var (
	_ notify.Outbox = (*engine.Engine)(nil)
	_ notify.Firing = (*engine.Engine)(nil)
)
