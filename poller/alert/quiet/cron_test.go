package quiet

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// between returns the times of a window by cron, on the clock of its place.
func between(g Gomega, cron, zone string, lasting time.Duration, from, to string) (all []string) {
	place, err := time.LoadLocation(zone)
	g.Expect(err).NotTo(HaveOccurred())
	begin, err := time.Parse(time.RFC3339, from)
	g.Expect(err).NotTo(HaveOccurred())
	end, err := time.Parse(time.RFC3339, to)
	g.Expect(err).NotTo(HaveOccurred())
	ready, err := compilePlanned([]Planned{{Name: "w", Cron: cron, Duration: lasting, Location: place}})
	g.Expect(err).NotTo(HaveOccurred())
	for _, s := range ready[0].times(begin) {
		if s.start.Before(end) {
			all = append(all, s.start.In(place).Format("01-02 15:04 MST")+" "+s.end.Sub(s.start).String())
		}
	}
	return all
}

func TestAWindowIsThereOnceHoweverTheClockIsChanged(t *testing.T) {
	for _, c := range []struct {
		name, cron, zone string
		lasting          time.Duration
		from, to         string
		want             []string
	}{
		{
			"a time that is left out is moved by as much as the clock", "30 2 * * *", "Europe/Berlin", time.Hour,
			"2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z",
			[]string{"03-28 02:30 CET 1h0m0s", "03-29 03:30 CEST 1h0m0s", "03-30 02:30 CEST 1h0m0s"},
		},
		{
			"a time that comes twice counts once", "30 2 * * *", "Europe/Berlin", time.Hour,
			"2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z",
			[]string{"10-24 02:30 CEST 1h0m0s", "10-25 02:30 CEST 1h0m0s", "10-26 02:30 CET 1h0m0s"},
		},
		{
			"a window over a change lasts as long as any other", "0 1 * * *", "Europe/Berlin", 4 * time.Hour,
			"2026-03-28T23:00:00Z", "2026-03-29T12:00:00Z", []string{"03-29 01:00 CET 4h0m0s"},
		},
		{
			"in America", "30 2 8 3 *", "America/New_York", 30 * time.Minute,
			"2026-03-01T00:00:00Z", "2026-03-20T00:00:00Z", []string{"03-08 03:30 EDT 30m0s"},
		},
		{
			"in America, at the end of summer", "30 1 * * SUN", "America/New_York", 30 * time.Minute,
			"2026-10-30T00:00:00Z", "2026-11-05T00:00:00Z", []string{"11-01 01:30 EDT 30m0s"},
		},
		{
			"by half an hour", "15 2 * * *", "Australia/Lord_Howe", 30 * time.Minute,
			"2026-10-03T00:00:00Z", "2026-10-05T00:00:00Z", []string{"10-04 02:45 +11 30m0s", "10-05 02:15 +11 30m0s"},
		},
		{
			"back by half an hour", "45 1 * * *", "Australia/Lord_Howe", 30 * time.Minute,
			"2026-04-03T20:00:00Z", "2026-04-06T00:00:00Z", []string{"04-05 01:45 +11 30m0s", "04-06 01:45 +1030 30m0s"},
		},
		{
			"each hour that comes twice has its own where all hours are meant", "0 * * * *", "Europe/Berlin", 15 * time.Minute,
			"2026-10-24T23:30:00Z", "2026-10-25T02:30:00Z",
			[]string{"10-25 02:00 CEST 15m0s", "10-25 02:00 CET 15m0s", "10-25 03:00 CET 15m0s"},
		},
		{
			"no hour has two where one is left out", "0 * * * *", "Europe/Berlin", 15 * time.Minute,
			"2026-03-28T23:30:00Z", "2026-03-29T02:30:00Z",
			[]string{"03-29 01:00 CET 15m0s", "03-29 03:00 CEST 15m0s", "03-29 04:00 CEST 15m0s"},
		},
		{
			"two that a change brings together do not overlap", "0 0 * * *", "Europe/Berlin", 24 * time.Hour,
			"2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z",
			[]string{"03-28 00:00 CET 24h0m0s", "03-29 00:00 CET 23h0m0s", "03-30 00:00 CEST 24h0m0s"},
		},
		{
			"every second hour does not lose one", "0 */2 * * *", "Europe/Berlin", time.Hour,
			"2026-03-28T22:30:00Z", "2026-03-29T04:30:00Z",
			[]string{"03-29 00:00 CET 1h0m0s", "03-29 03:00 CEST 1h0m0s", "03-29 04:00 CEST 1h0m0s", "03-29 06:00 CEST 1h0m0s"},
		},
		{
			"a day that is left out", "0 9 30 12 *", "Pacific/Apia", time.Hour,
			"2011-12-20T00:00:00Z", "2012-01-05T00:00:00Z", []string{"12-31 09:00 +14 1h0m0s"},
		},
		{
			"on a leap day", "0 3 29 2 *", "UTC", time.Hour,
			"2028-02-10T00:00:00Z", "2028-03-05T00:00:00Z", []string{"02-29 03:00 UTC 1h0m0s"},
		},
		{
			"on the last day of a month", "0 3 L * *", "UTC", time.Hour,
			"2028-02-10T00:00:00Z", "2028-03-05T00:00:00Z", []string{"02-29 03:00 UTC 1h0m0s"},
		},
		{
			"one that is under way is there", "0 3 * * *", "UTC", 10 * time.Hour,
			"2026-12-01T12:59:00Z", "2026-12-02T00:00:00Z", []string{"12-01 03:00 UTC 10h0m0s"},
		},
		{
			"one that ends now is not", "0 3 * * *", "UTC", 10 * time.Hour,
			"2026-12-01T13:00:00Z", "2026-12-02T04:00:00Z", []string{"12-02 03:00 UTC 10h0m0s"},
		},
		{
			"a Monday or the first of a month", "0 3 1 * MON", "UTC", time.Hour,
			"2026-11-30T00:00:00Z", "2026-12-08T00:00:00Z", []string{"11-30 03:00 UTC 1h0m0s", "12-01 03:00 UTC 1h0m0s", "12-07 03:00 UTC 1h0m0s"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(between(g, c.cron, c.zone, c.lasting, c.from, c.to)).To(Equal(c.want))
		})
	}
}

func TestTheSameTimesAreFoundFromAnyMoment(t *testing.T) {
	g := NewWithT(t)
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"} {
		place, err := time.LoadLocation(zone)
		g.Expect(err).NotTo(HaveOccurred())
		for _, cron := range []string{"30 2 * * *", "0 * * * *", "*/20 1-3 * * *"} {
			ready, err := compilePlanned([]Planned{{Name: "w", Cron: cron, Duration: 20 * time.Minute, Location: place}})
			g.Expect(err).NotTo(HaveOccurred())
			for _, day := range []time.Time{
				time.Date(2026, 3, 7, 12, 0, 0, 0, time.UTC), time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC), time.Date(2026, 4, 4, 6, 0, 0, 0, time.UTC),
				time.Date(2026, 10, 3, 6, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC), time.Date(2026, 10, 31, 18, 0, 0, 0, time.UTC),
			} {
				all := ready[0].cron.between(day, day.Add(24*time.Hour), 1000)
				var parts []time.Time
				for at := day; at.Before(day.Add(24 * time.Hour)); at = at.Add(31 * time.Minute) {
					until := at.Add(31 * time.Minute)
					if end := day.Add(24 * time.Hour); until.After(end) {
						until = end
					}
					parts = append(parts, ready[0].cron.between(at, until, 1000)...)
				}
				g.Expect(parts).To(Equal(all), "%s %s %s", zone, cron, day)
			}
		}
	}
}

func TestAWindowEachMinuteTakesNoLongerThanAnyOther(t *testing.T) {
	g := NewWithT(t)
	ready, err := compilePlanned([]Planned{{Name: "w", Cron: "* * * * *", Duration: time.Minute}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ready[0].times(time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC))).To(HaveLen(maxListed))
}

func TestWindowsThatCannotBeAreRefusedWithASentence(t *testing.T) {
	noon := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name    string
		planned Planned
		parts   []string
	}{
		{"without a time", Planned{Name: "w"}, []string{"start", "cron"}},
		{"once and again", Planned{Name: "w", Start: noon, End: noon.Add(1), Cron: "0 3 * * *"}, []string{"not both"}},
		{"without an end", Planned{Name: "w", Start: noon}, []string{"missing"}},
		{"that ends before it begins", Planned{Name: "w", Start: noon, End: noon.Add(-1)}, []string{"not after"}},
		{"of two years", Planned{Name: "w", Start: noon, End: noon.AddDate(2, 0, 0)}, []string{"31 days are allowed"}},
		{"announced years before", Planned{Name: "w", Start: noon, End: noon.Add(1), Announce: 9000 * time.Hour}, []string{"announce", "30 days"}},
		{"by words", Planned{Name: "w", Cron: "every day at three o'clock", Duration: time.Hour}, []string{"five fields", "0 3 * * SUN"}},
		{"with seconds", Planned{Name: "w", Cron: "0 0 3 * * *", Duration: time.Hour}, []string{"five fields"}},
		{"by a tag", Planned{Name: "w", Cron: "@daily", Duration: time.Hour}, []string{"five fields"}},
		{"on the 61st minute", Planned{Name: "w", Cron: "60 3 * * *", Duration: time.Hour}, []string{"five fields"}},
		{"on 30 February", Planned{Name: "w", Cron: "0 3 30 2 *", Duration: time.Hour}, []string{"never comes"}},
		{"that do not last", Planned{Name: "w", Cron: "0 3 * * *"}, []string{"duration", "1m"}},
		{"that last for months", Planned{Name: "w", Cron: "0 3 1 * *", Duration: 800 * time.Hour}, []string{"duration", "31 days"}},
		{"of a moment", Planned{Name: "w", Start: noon, End: noon.Add(time.Second)}, []string{"1s", "1m0s"}},
		{"that last longer than their period", Planned{Name: "w", Cron: "0 3,4 * * *", Duration: 61 * time.Minute}, []string{"1h1m0s", "0 3,4 * * *", "1h0m0s"}},
		{"that meet at midnight", Planned{Name: "w", Cron: "0 0,23 * * *", Duration: 2 * time.Hour}, []string{"2h0m0s", "1h0m0s"}},
		{"that meet at the end of a month", Planned{Name: "w", Cron: "0 0 1,31 * *", Duration: 48 * time.Hour}, []string{"48h", "24h"}},
		{"that meet on a leap day", Planned{Name: "w", Cron: "0 0 29,1 2,3 *", Duration: 48 * time.Hour}, []string{"48h", "24h"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			err := CheckPlanned(c.planned)
			g.Expect(err).To(HaveOccurred())
			for _, part := range c.parts {
				g.Expect(err.Error()).To(ContainSubstring(part))
			}
		})
	}
	g := NewWithT(t)
	g.Expect(CheckPlanned(Planned{Name: "w", Cron: " 0  3 * * sun ", Duration: 7 * 24 * time.Hour})).To(Succeed())
	g.Expect(CheckPlanned(Planned{Name: "w", Start: noon, End: noon.Add(time.Hour)})).To(Succeed())
}

func TestTheTimesOfACronAreFoundOnceAMinuteAndAfterAChangeOfTheSettings(t *testing.T) {
	g := NewWithT(t)
	now := time.Date(2026, 12, 1, 12, 0, 10, 0, time.UTC)
	q := &Quiet{opts: Options{Now: func() time.Time { return now }}}
	windows := []Planned{{Name: "w", Cron: "0 3 * * *", Duration: time.Hour}}
	g.Expect(q.Update(windows)).To(Succeed())
	found := &q.times[0]
	now = now.Add(49 * time.Second)
	q.lookAgain()
	g.Expect(&q.times[0]).To(BeIdenticalTo(found))
	now = now.Add(time.Second)
	q.lookAgain()
	g.Expect(&q.times[0]).NotTo(BeIdenticalTo(found), "a minute has begun")
	found = &q.times[0]
	windows[0].Name = "v"
	g.Expect(q.Update(windows)).To(Succeed())
	g.Expect(q.times[0].window.ID).To(Equal("v"))
	now = now.Add(-time.Hour)
	q.lookAgain()
	g.Expect(&q.times[0]).NotTo(BeIdenticalTo(found), "the clock was set")
}
