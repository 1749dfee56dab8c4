package app

import (
	"context"
	"fmt"
	"time"

	"github.com/devops-insights/devops-insights/app/errclass"
	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/store/mongostore"
)

// streamMute is for how long the change stream may say nothing although it has to:
// a server answers at least once a second.
const streamMute = 3 * time.Second

// watchStream reports how the change stream is doing, where there is one, until
// ctx ends.
func (a *App) watchStream(ctx context.Context) error {
	var part *health.Reporter
	return every(ctx, probeEvery, func() error {
		db := a.mongo.Load()
		if db == nil {
			return nil
		}
		switch db.Mode().Following {
		case mongostore.ChangeStream:
			if part == nil {
				part = a.board.Part(partChangeStream, probeWithin)
			}
			part.Report(streamReport(db.Stream(), time.Now()))
		case mongostore.OwnChanges: // a deployment that has none
			if part != nil {
				part.Remove()
				part = nil
			}
		}
		return nil
	})
}

func streamReport(s mongostore.StreamHealth, now time.Time) health.Report {
	switch {
	case s.Opened.IsZero() && s.Err != nil:
		return down(errclass.Of(s.Err), "the changes of the database are not followed: the change stream "+faultWords(errclass.Of(s.Err)))
	case s.Opened.IsZero():
		return down("CLOSED", "the changes of the database are not followed: the change stream is being opened")
	case now.Sub(s.Answered) > streamMute:
		return down("MUTE", fmt.Sprintf("the change stream is mute for %s: changes are not heard here", now.Sub(s.Answered).Round(time.Second)))
	case !s.Awaited.IsZero() && now.Sub(s.Awaited) > streamMute:
		return down("MUTE", fmt.Sprintf("the change stream has not brought a change that was stored %s ago", now.Sub(s.Awaited).Round(time.Second)))
	}
	return well()
}

// streamMuteHere reports whether this instance alone seems not to hear of changes,
// for so long that dashboards are better off with another one: the database
// answers, and its change stream does not.
func (a *App) streamMuteHere(now time.Time) bool {
	stream, there := a.board.Lookup(partChangeStream)
	read, _ := a.board.Lookup(partStoreRead)
	return there && stream.State == health.Down && now.Sub(stream.Since) > 30*time.Second &&
		read.State == health.OK && now.Sub(read.Since) > 30*time.Second
}
