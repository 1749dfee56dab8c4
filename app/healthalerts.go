package app

import (
	"time"

	"github.com/devops-insights/devops-insights/app/health"
)

// classReceiver is the class of a receiver that does not take messages.
const classReceiver = "RECEIVER_FAILING"

// receiverPatience is for how long a receiver may fail before health shows it: one
// try that failed is no news.
const receiverPatience = 30 * time.Second

// alertsReport says whether alerts can be believed, and reach those who are told.
// there is false where nobody is to be told.
func (a *App) alertsReport() (report health.Report, there bool) {
	c, _ := a.settings.get()
	if len(c.AlertReceivers()) == 0 {
		return report, false
	}
	return a.alertingReport(time.Now()), true
}

func (a *App) alertingReport(now time.Time) health.Report {
	for _, one := range a.polled() {
		if since := one.engine.Failing(); !since.IsZero() {
			return down("STORE", "alerts of the API "+one.name+" cannot be stored since "+stamp(since)+": nobody is told of new ones until they can")
		}
	}
	if since := a.mirror.Failing(); !since.IsZero() {
		return degraded("STORE", "alerts cannot be read since "+stamp(since)+": those that are shown may be old")
	}
	if since := a.quiet.Failing(); !since.IsZero() {
		return degraded("STORE", "silences and maintenance cannot be read since "+stamp(since)+": those that were known stay valid")
	}
	for _, one := range a.polled() {
		for _, s := range one.sender.Status() {
			if !s.FailingSince.IsZero() && now.Sub(s.FailingSince) >= receiverPatience {
				return degraded(classReceiver, "the receiver "+s.Receiver+" of alerts takes no messages since "+stamp(s.FailingSince)+" ("+s.Class+"): they are tried again for a day")
			}
		}
		if problems := a.mirror.Content(one.name).Problems; len(problems) > 0 {
			p := problems[0]
			return degraded("RULE", "the rule "+p.Rule+" cannot be evaluated: "+p.Sentence)
		}
	}
	return well()
}
