package outcome

import (
	"context"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// Uptime says how a region did in a window of time.
type Uptime struct {
	// From and To are the time that was measured: the one that was asked for,
	// without what does not count, see the package. They are the same where the
	// region was not polled by then.
	From, To time.Time
	// FirstPoll is when the region was polled for the first time; zero: never.
	FirstPoll time.Time
	// Up, Degraded, Down and Unknown make up the time from From to To.
	Up, Degraded, Down, Unknown time.Duration
	// Incidents are the newest ones, at most MaxIncidents, oldest first. Count is
	// the number of all, and Ended that of those that have ended.
	Incidents    []Incident
	Count, Ended int
	// Longest is the longest time for which the region was down in an incident.
	Longest time.Duration
	// MTTR, the mean time to repair, is the time down of the incidents that have
	// ended by their number; zero where none has.
	MTTR time.Duration
	// MTBF, the mean time between failures, is the time up or degraded by the
	// number of incidents; zero where there is none.
	MTBF time.Duration
}

// Watched returns the time of which the state is known.
func (u Uptime) Watched() time.Duration { return u.Up + u.Degraded + u.Down }

// Ratio returns the share of the watched time in which the region was up, 0 to
// 1; false where no time was watched.
func (u Uptime) Ratio() (share float64, ok bool) { return ratio(u.Up, u.Watched()) }

// Available returns the share of the watched time in which the region was up or
// degraded, 0 to 1; false where no time was watched.
func (u Uptime) Available() (share float64, ok bool) { return ratio(u.Up+u.Degraded, u.Watched()) }

func ratio(part, whole time.Duration) (float64, bool) {
	if whole <= 0 {
		return 0, false
	}
	return float64(part) / float64(whole), true
}

// Incident is a run of down.
type Incident struct {
	// From is the first poll that found the region down, and To the one that did
	// not any more. An incident that began before the window begins with it, and
	// one that is Open at its end ends with it.
	From, To time.Time
	Open     bool
	// Reasons are those of the failed polls, in the order in which they came up,
	// each once and at most ten.
	Reasons []string
	// Down is how long the region was known to be down.
	Down time.Duration
}

// MaxIncidents is how many incidents Measure lists.
const MaxIncidents = 1000

// Measure returns how a region did from the time from to the time to; the zero
// time stands for its first poll, and for now. It holds no more in memory than
// the incidents that it returns.
func Measure(ctx context.Context, r Scanner, api, source string, from, to, now time.Time) (Uptime, error) {
	w, err := openWindow(ctx, r, api, source, from, to, now)
	if err != nil {
		return Uptime{}, err
	}
	u := Uptime{From: w.from, To: w.to, FirstPoll: w.firstPoll}
	var in incidents
	err = w.pieces(ctx, r, func(p piece) error {
		lasted := p.to.Sub(p.from)
		switch p.state {
		case store.StateUp:
			u.Up += lasted
			in.end(p.from)
		case store.StateDegraded:
			u.Degraded += lasted
			in.end(p.from)
		case store.StateDown:
			u.Down += lasted
			in.down(p)
		default:
			u.Unknown += lasted
		}
		return nil
	})
	if err != nil {
		return Uptime{}, err
	}
	in.stop(w.to)
	u.Incidents, u.Count, u.Ended, u.Longest = in.newest(), in.count, in.ended, in.longest
	if in.ended > 0 {
		u.MTTR = in.repaired / time.Duration(in.ended)
	}
	if in.count > 0 {
		u.MTBF = (u.Up + u.Degraded) / time.Duration(in.count)
	}
	return u, nil
}

// incidents collects incidents.
type incidents struct {
	current      *Incident // the one that has not ended
	list         []Incident
	count, ended int
	repaired     time.Duration // down, of those that have ended
	longest      time.Duration
}

func (in *incidents) down(p piece) {
	if in.current == nil {
		in.current = &Incident{From: p.from}
	}
	in.current.Down += p.to.Sub(p.from)
	in.current.Reasons = addReason(in.current.Reasons, p.reason)
}

// end takes a poll that found the region not down.
func (in *incidents) end(at time.Time) {
	if in.current == nil {
		return
	}
	in.ended++
	in.repaired += in.current.Down
	in.keep(at)
}

// stop takes the end of the window.
func (in *incidents) stop(at time.Time) {
	if in.current == nil {
		return
	}
	in.current.Open = true
	in.keep(at)
}

func (in *incidents) keep(to time.Time) {
	in.current.To = to
	in.count++
	in.longest = max(in.longest, in.current.Down)
	if len(in.list) == 2*MaxIncidents {
		in.list = in.list[:copy(in.list, in.list[MaxIncidents:])]
	}
	in.list = append(in.list, *in.current)
	in.current = nil
}

func (in *incidents) newest() []Incident {
	return in.list[max(0, len(in.list)-MaxIncidents):]
}
