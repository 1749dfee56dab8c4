package app

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/devops-insights/devops-insights/poller/lease"
	"github.com/devops-insights/devops-insights/store/mongostore"
)

// importTerm is how long an import that was killed keeps the next one waiting.
const importTerm = 10 * time.Second

// errTurn says that an import may not go on.
var errTurn = errors.New("the database was out of reach for too long, and another import may have begun")

// ImportAlone runs an import while no other one runs on the same database: two
// at once would not see what the other is about to add. waiting is called when it
// has to wait. The embedded store is open in one process only, and needs none of
// it.
func ImportAlone(ctx context.Context, h History, api string, waiting func(), work func(context.Context) error) error {
	db, shared := h.(*mongostore.Store)
	if !shared {
		return work(ctx)
	}
	leader := lease.NewLeader(lease.LeaderOptions{
		// No api has a name with a slash.
		Lease: lease.NewMongo(db.Database(), lease.Options{API: api + "/import", Term: importTerm}),
		Wait:  importTerm / 10,
	})
	var begun atomic.Bool
	patience := time.AfterFunc(time.Second, func() {
		if !begun.Load() {
			waiting()
		}
	})
	defer patience.Stop()
	var result error
	over := errors.New("the import is over")
	err := leader.RunWhileLeader(ctx, func(turn context.Context) error {
		if begun.Swap(true) { // the turn before was lost
			result = errTurn
			return over
		}
		result = work(turn)
		if turn.Err() != nil && ctx.Err() == nil {
			result = errTurn
		}
		return over
	})
	switch {
	case result != nil:
		return result
	case errors.Is(err, over):
		return nil
	case err != nil:
		return err
	}
	return ctx.Err()
}
