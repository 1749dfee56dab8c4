package past_test

import (
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store/past"
)

func TestDurationsAreReadAsPrometheusHasThem(t *testing.T) {
	g := NewWithT(t)
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "1d12h": 36 * time.Hour, "1w": 168 * time.Hour, "1y": 365 * 24 * time.Hour, "1500ms": 1500 * time.Millisecond,
		"60": time.Minute, "0.5": 500 * time.Millisecond, "200y": past.Longest, "1h0m1s": time.Hour + time.Second,
	} {
		d, ok := past.ParseDuration(text)
		g.Expect(ok).To(BeTrue(), text)
		g.Expect(d).To(Equal(want), text)
	}
	for _, text := range []string{"", "0", "0s", "-1", "1.5h", "1m1h", "s", "1 h", "NaN", "Inf", "1e3", "201y", "999999999y", "0.0001", "9999999999999999999", "１s"} {
		_, ok := past.ParseDuration(text)
		g.Expect(ok).To(BeFalse(), text)
	}
}

func TestTimesAreRFC3339OrSeconds(t *testing.T) {
	g := NewWithT(t)
	want := time.Date(2026, 11, 25, 10, 0, 0, 5e8, time.UTC)
	for _, text := range []string{"2026-11-25T10:00:00.5Z", "2026-11-25t11:00:00.500+01:00", "2026-11-25T11:00:00.5 01:00", "1795600800.5", "1795600800.5004"} {
		at, ok := past.ParseTime(text)
		g.Expect(ok).To(BeTrue(), text)
		g.Expect(at).To(Equal(want), text)
	}
	for _, text := range []string{"", "now", "2026-11-25", "2026-11-25T10:00:00", "1795600800000", "1e9", "+5", "NaN", "0x5", "0000-01-01T00:00:00Z", "-99999999999", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z"} {
		_, ok := past.ParseTime(text)
		g.Expect(ok).To(BeFalse(), text)
	}
}

func TestSecondsHaveNoMoreDigitsThanTheTime(t *testing.T) {
	g := NewWithT(t)
	for d, want := range map[time.Duration]string{
		2994 * time.Millisecond: "2.994", 90 * time.Second: "90", 365*24*time.Hour + 994*time.Millisecond: "31536000.994", 0: "0", time.Millisecond: "0.001",
	} {
		g.Expect(strconv.FormatFloat(past.Seconds(d), 'f', -1, 64)).To(Equal(want))
	}
}

func TestAPercentageIsNever100OfWhatWasDownNor0OfWhatWasUp(t *testing.T) {
	g := NewWithT(t)
	g.Expect(past.Percent(1)).To(Equal(100.0))
	g.Expect(past.Percent(0.9999999999)).To(Equal(99.999999))
	g.Expect(past.Percent(1e-12)).To(Equal(0.000001))
	g.Expect(past.Percent(0)).To(Equal(0.0))
	g.Expect(past.Percent(0.96666666666)).To(Equal(96.666667))
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1d12h", "1795600800.5", "2026-11-25T10:00:00 01:00", "1..2", ""} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if d, ok := past.ParseDuration(text); ok && (d <= 0 || d > past.Longest || d%time.Millisecond != 0) {
			t.Errorf("%q is %s", text, d)
		}
		if at, ok := past.ParseTime(text); ok && (at.Year() < 1 || at.Year() > 9999) {
			t.Errorf("%q is %s", text, at)
		}
		if from, to, err := past.ParseWindow(text, now); err == nil && !from.Before(to) {
			t.Errorf("%q is from %s to %s", text, from, to)
		}
	})
}
