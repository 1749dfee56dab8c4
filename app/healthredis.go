package app

import (
	"context"
	"time"

	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/socket/redisadapter"
)

// subscriptionGrace is for how long the subscriptions may be missing while Redis
// answers: they come a moment after it.
const subscriptionGrace = 3 * time.Second

// probeRedis lets Redis report, where it is configured.
func (a *App) probeRedis() {
	if a.redis == nil {
		return
	}
	o, err := a.opts.Config.RedisOptions()
	if err != nil {
		return // openRedis has said so
	}
	a.probe(partRedis, func(ctx context.Context) health.Report {
		if err := pingRedis(ctx, a.redis, o); err != nil {
			r := unreachable("Redis", err)
			r.Message += ": other instances are not heard"
			return r
		}
		return subscriptionReport(a.cluster.Stats(), time.Now())
	}).Terse() // watchRedis says why
}

func subscriptionReport(s redisadapter.Stats, now time.Time) health.Report {
	if !s.Connected && now.Sub(s.Since) > subscriptionGrace {
		return down("SUBSCRIPTION", "Redis answers, and its subscriptions do not come about: other instances are not heard")
	}
	return well()
}
