package app

import (
	"context"
	"fmt"
	"time"

	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/diskfile"
	"github.com/devops-insights/devops-insights/store/jsjson"
	"github.com/devops-insights/devops-insights/store/mongostore"
)

// first returns one region that is polled.
func (a *App) first() (api, region string) {
	first, _ := a.Catalog().Find("")
	if len(first.Regions) > 0 {
		region = first.Regions[0].Name
	}
	return first.Name, region
}

// readReport reads one latest value from the store itself: what is served from
// memory says nothing of it.
func (a *App) readReport(ctx context.Context) health.Report {
	api, region := a.first()
	if a.buffer == nil {
		return a.readFile(ctx, api, region)
	}
	db := a.mongo.Load()
	if db == nil {
		return a.notConnected()
	}
	if err := db.CheckRead(ctx, api, region); err != nil {
		return unreachable("the database", err)
	}
	return well()
}

// notConnected is the report of a database that was never reached; nothing before
// the first attempt is over.
func (a *App) notConnected() health.Report {
	if err := a.buffer.Stats().Err; err != nil {
		return unreachable("the database", err)
	}
	return health.Report{}
}

func (a *App) readFile(ctx context.Context, api, region string) health.Report {
	if err := a.embedded.Check(ctx, api, region); err != nil {
		return down(boltstore.Explain(err))
	}
	if st := a.embedded.Stats(); st.Class == "DAMAGED" {
		return degraded(st.Class, st.Cause+": some of it may not be read")
	}
	return well()
}

// writeReport says whether what changes is stored: by what became of the last
// changes, and by a write that changes nothing.
func (a *App) writeReport(ctx context.Context) health.Report {
	report := a.writeFile
	if a.buffer != nil {
		report = a.writeMongo
	}
	began := time.Now()
	r := report(ctx)
	if took := time.Since(began); r.State == health.OK && took > probeTimeout/3 {
		return degraded(health.ClassSlow, fmt.Sprintf("a write takes %s", took.Round(10*time.Millisecond)))
	}
	if r.State != health.OK {
		return r
	}
	info := a.describeStore()
	switch {
	case info.ResultsFailing != nil:
		return degraded("RESULTS", "the results of polls are not stored since "+info.ResultsFailing.Format(jsjson.TimeFormat)+": they wait in memory")
	case info.ArchiveFailing != nil:
		return degraded("ARCHIVE", "rows of the history cannot be archived since "+info.ArchiveFailing.Format(jsjson.TimeFormat)+": they stay where they are")
	}
	return well()
}

func (a *App) writeMongo(ctx context.Context) health.Report {
	db := a.mongo.Load()
	if db == nil {
		return a.notConnected()
	}
	began := time.Now()
	if err := db.CheckWrite(ctx); err != nil {
		return unreachable("the database", err)
	}
	took := time.Since(began)
	st := a.buffer.Stats()
	switch {
	case st.Unavailable.IsZero() && st.Err == nil:
		return well()
	case took > probeTimeout/3:
		return degraded(health.ClassSlow, fmt.Sprintf("a write took %s, and changes wait", took.Round(10*time.Millisecond)))
	case st.Err == nil:
		return degraded("TIMEOUT", "the database takes writes, and did not answer to one: changes wait")
	}
	r := unreachable("the database", mongostore.Cause(st.Err, a.opts.Config.DatabaseURL))
	return degraded(r.Class, "the database takes writes, and not this change: "+r.Message)
}

// durableAfter is for how long nothing may have been written durably until it is
// tried whether it can.
const durableAfter = 3 * time.Second

func (a *App) writeFile(context.Context) health.Report {
	st := a.embedded.Stats()
	if !st.Failing.IsZero() {
		return down(st.Class, st.Cause)
	}
	err := diskfile.Probe(a.opts.Config.DataDir, time.Since(a.embedded.Written()) > durableAfter)
	if err != nil {
		return down(boltstore.Explain(err))
	}
	return well()
}

// storeSentence says how the store is doing, for people who look at one line: the
// worse of reading and writing.
func (a *App) storeSentence() string {
	if _, known := a.view.Age(); !known {
		return "the database was not read yet"
	}
	p, _ := a.board.Lookup(partStoreWrite)
	if read, _ := a.board.Lookup(partStoreRead); worse(read.State, p.State) {
		p = read
	}
	verb := "failing"
	switch {
	case p.State == health.OK, p.State == health.Unknown && p.LastSuccess.IsZero():
		return "ok"
	case p.State == health.Unknown:
		verb = "not heard of"
	case p.Class == health.ClassSlow:
		verb = "slow"
	case a.buffer != nil && p.State == health.Down:
		verb = "away"
	}
	text := verb + " since " + stamp(p.Since) + ": " + p.Message
	if p.State == health.Down {
		text += ": the latest values come from memory, " + a.changesWait()
	}
	return text
}

// worse reports whether a state is worse than another one.
func worse(s, than health.State) bool {
	rank := map[health.State]int{health.OK: 0, health.Unknown: 1, health.Degraded: 2, health.Down: 3}
	return rank[s] > rank[than]
}

// changesWait says what becomes of changes while nothing is stored.
func (a *App) changesWait() string {
	if a.embedded != nil && a.embedded.Stats().Damaged {
		return "new history is lost when the program ends"
	}
	return "changes wait"
}
