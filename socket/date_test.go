package socket

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// The values were written by Node 20 with TZ=America/New_York.
func TestDatesAreReadAsJavaScriptReadsThem(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skip("this machine has no data of time zones: ", err)
	}
	for _, date := range []struct {
		text string
		want any // milliseconds, nil where the date is invalid
	}{
		{"2026-11-25", 1795564800000},
		{"2026-11", 1793491200000},
		{"2026", 1767225600000},
		{"2026-11-25T08:00Z", 1795593600000},
		{"2026-11-25T08:00:00Z", 1795593600000},
		{"2026-11-25T08:00:00.5Z", 1795593600500},
		{"2026-11-25T08:00:00.1234567890123Z", 1795593600123},
		{"2026-11-25T08:00:00", 1795611600000},
		{"2026-11-25 08:00:00", 1795611600000},
		{"2026-11-25T08:00:00+0000", 1795593600000},
		{"2026-11-25T08:00:00-0730", 1795620600000},
		{"2026-11-25T08:00:00+01:00", 1795590000000},
		{"2026-11-25t08:00:00z", 1795593600000},
		{"2026-11-25T24:00:00Z", 1795651200000},
		{"2026-11-25T24:00:01Z", nil},
		{"2026-11-25T08:00:60Z", nil},
		{"2026-11-25T08:00:00,000Z", nil},
		{"2026-11-25T08", nil},
		{"2026-11-25T8:00", nil},
		{"2026-11-25T08:00:00.Z", nil},
		{"2026-11-25T08:00:00Z ", nil},
		{" 2026-11-25T08:00:00Z", nil},
		{"+002026-11-25T08:00:00Z", 1795593600000},
		{"-000001-01-01T00:00:00Z", -62198755200000},
		{"-000000-01-01T00:00:00Z", nil},
		{"+275760-09-13T00:00:00.000Z", 8640000000000000},
		{"+275760-09-13T00:00:00.001Z", nil},
		{"-271821-04-20", -8640000000000000},
		{"-271821-04-19", nil},
		{"2026-02-31", 1772496000000},
		{"2026-13-01", nil},
		{"2026-00-10", nil},
		{"20261125", nil},
		{"2026-W01", nil},
		{"2026/11/25", 1795582800000},
		{"11/25/2026", 1795582800000},
		{"11/25/2026 5:30 PM", 1795645800000},
		{"1/2", 978411600000},
		{"1/2/3", 1041483600000},
		{"0", 946702800000},
		{"13", nil},
		{"32", 1956546000000},
		{"25.11.2026", nil},
		{"12:00", nil},
		{"Nov 25, 2026", 1795582800000},
		{"25 Nov 2026", 1795582800000},
		{"Nov 25", 1006664400000},
		{"November 25 2026 08:00", 1795611600000},
		{"Wed, 25 Nov 2026 08:00:00 GMT", 1795593600000},
		{"Wed, 25 Nov 2026 08:00:00 +0100", 1795590000000},
		{"Wed Nov 25 2026 08:00:00 GMT+0100 (Central European Standard Time)", 1795590000000},
		{"Wed Nov 25 2026 08:00:00 EST", 1795611600000},
		{"Thu, 01 Jan 1970 00:00:00 GMT+0200", -7200000},
		{"Nov 25 2026 12:00 am", 1795582800000},
		{"Nov 25 2026 13:00 pm", nil},
		{"foo 25 Nov 2026", 1795582800000},
		{"25 Nov 2026 foo", nil},
		{"tomorrow", nil},
		{"now", nil},
		{"2026-11-25Z", 1795564800000},
		{"2026-11-25 08:00:00 UTC", 1795593600000},
		{"2026-11-25T08:00:00 Z", nil},
		{"1795593600000", nil},
		{"49", 2493090000000},
		{"50", -631134000000},
		{"2026-11-25T08:00:00Z garbage", nil},
		{"(a (nested) remark) 2026-11-25", 1795582800000},
		{" 2026-11-25", 1795582800000},
	} {
		t.Run(date.text, func(t *testing.T) {
			g := NewWithT(t)
			at, err := parseDate(date.text, zone)
			if date.want == nil {
				g.Expect(err).To(MatchError(errDate))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(at.UnixMilli()).To(BeEquivalentTo(date.want))
		})
	}
}

func FuzzDatesNeverPanic(f *testing.F) {
	for _, seed := range []string{"2026-11-25T08:00:00Z", "Wed Nov 25 2026 08:00:00 GMT+0100 (CET)", "+99:", "((((", "1:2:3:4:5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := parseDate(text, time.UTC)
		if n := at.UnixMilli(); err == nil && (n > farthest || n < -farthest) {
			t.Errorf("%q is %d", text, n)
		}
	})
}
