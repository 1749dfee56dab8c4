package outcome

import (
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/store"
)

func TestAPollThatFailedBecauseOurOwnNetworkDidLeavesAnUnknownTime(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.polls(2, "ok")
		for range 3 {
			b.Record(poller.Result{
				API: "acme", Source: "eu-west", Began: time.Now(), Ended: time.Now(), Next: time.Now().Add(interval), Interval: interval,
				Err: &poller.Error{Code: poller.CodeTimeout}, Unwatched: true,
			})
			b.g.Expect(b.States()).To(HaveKeyWithValue("eu-west", store.StateUnknown))
			time.Sleep(interval)
		}
		b.polls(1, "")
		b.poll("ok")
		b.stop()
		b.expect("up 0-20", "unknown 20-50", "down 50-60 TIMEOUT", "up 60-60")
		all := b.kept.all("eu-west")
		b.g.Expect([]int64{all[1].Polls, all[1].Failures}).To(Equal([]int64{3, 3}))
		b.g.Expect(all[1].Latency).To(BeEmpty(), "it says nothing of the upstream")
	})
}

func TestRecordReturnsWhatThePollMeant(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		defer b.stop()
		expect := func(state store.State, reason string, change func(*poller.Result)) {
			t.Helper()
			r := poller.Result{API: "acme", Source: "eu-west", Began: time.Now(), Ended: time.Now(), Next: time.Now().Add(interval), Interval: interval}
			change(&r)
			gotState, gotReason := b.Record(r)
			b.g.ExpectWithOffset(1, []string{string(gotState), gotReason}).To(Equal([]string{string(state), reason}))
			time.Sleep(interval)
		}
		expect(store.StateUp, "", func(r *poller.Result) { r.Data = json.RawMessage(`{"status":"ok"}`) })
		expect(store.StateDegraded, "Degraded", func(r *poller.Result) { r.Data = json.RawMessage(`{"status":"Degraded"}`) })
		expect(store.StateDown, "fire", func(r *poller.Result) { r.Data = json.RawMessage(`{"status":"fire"}`) })
		expect(store.StateDown, "TIMEOUT", func(r *poller.Result) { r.Err = &poller.Error{Code: poller.CodeTimeout} })
		expect(store.StateUnknown, "", func(r *poller.Result) {
			r.Err, r.Unwatched = &poller.Error{Code: poller.CodeTimeout}, true
		})
		expect(store.StateUp, "", func(r *poller.Result) { // what came was watched
			r.Data, r.Unwatched = json.RawMessage(`{"status":"ok"}`), true
		})
		expect(store.StateUnknown, "", func(r *poller.Result) { r.Source = "mars" })
		expect(store.StateUnknown, "", func(r *poller.Result) { r.API = "other" })
	})
}
