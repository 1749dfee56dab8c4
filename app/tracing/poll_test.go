package tracing

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/store"
)

var asked = time.Date(2026, 12, 1, 12, 0, 0, 123_456_789, time.UTC)

// answer is a poll of eu-west that was answered after 40 ms.
func answer(at time.Time) poller.Result {
	return poller.Result{API: "acme", Source: "eu-west", Host: "status.example:8443", Began: at.Add(-40 * time.Millisecond), Ended: at, Data: json.RawMessage(`1`)}
}

// change is what a store makes of it.
func change(at time.Time) store.Change {
	return store.Change{Metric: store.Metric{API: "acme", Source: "eu-west", Data: json.RawMessage(`1`), UpdatedAt: store.Milliseconds(at)}}
}

var _ = Describe("the trace of a value", func() {
	It("goes from the poll to the dashboards", func(ctx SpecContext) {
		r := record(func(o *Options) { o.Feed = func() string { return "change stream" } })
		inner, done := r.Poll(ctx, answer(asked))
		_, saved := r.Began(inner, "save", "acme", "eu-west")
		saved(nil)
		result := answer(asked)
		result.Changed = true
		done(result)
		r.Sending(change(asked), true)(nil)

		poll := r.named("poll")
		Expect(poll.Parent.IsValid()).To(BeFalse())
		Expect(poll.StartTime).To(Equal(asked.Add(-40 * time.Millisecond)))
		for name, kind := range map[string]trace.SpanKind{
			"GET": trace.SpanKindClient, "save": trace.SpanKindClient, "change stream": trace.SpanKindConsumer, "send /": trace.SpanKindProducer,
		} {
			s := r.named(name)
			Expect(s.SpanContext.TraceID()).To(Equal(poll.SpanContext.TraceID()), name)
			Expect(s.Parent.SpanID()).To(Equal(poll.SpanContext.SpanID()), name)
			Expect(s.SpanKind).To(Equal(kind), name)
			Expect(s.Links).To(BeEmpty())
		}
		Expect(r.named("GET").EndTime).To(Equal(asked))
		Expect(attributesOf(poll)).To(Equal(map[string]string{
			"devops_insights.api": "acme", "devops_insights.region": "eu-west", "devops_insights.changed": "true",
		}))
		Expect(attributesOf(r.named("GET"))).To(Equal(map[string]string{
			"server.address": "status.example", "server.port": "8443", "http.request.method": "GET",
		}))
		Expect(attributesOf(r.named("save"))).To(HaveKeyWithValue("db.system.name", "mongodb"))
		Expect(attributesOf(r.named("save"))).To(HaveKeyWithValue("db.operation.name", "save"))
		Expect(r.TraceID(change(asked))).To(Equal(poll.SpanContext.TraceID().String()))
	})

	It("names the sending as Node's instrumentation does, and as the conventions do", func(ctx SpecContext) {
		r := record()
		r.Sending(change(asked), true)(nil)
		Expect(attributesOf(r.named("send /"))).To(Equal(map[string]string{
			"devops_insights.api": "acme", "devops_insights.region": "eu-west", "devops_insights.local": "true",
			"messaging.system": "socket.io", "messaging.destination": "/", "messaging.destination_kind": "topic",
			"messaging.socket.io.namespace": "/", "messaging.socket.io.event_name": "metrics-update",
			"messaging.socket.io.rooms": `["metrics:acme:eu-west"]`, "messaging.destination.name": "metrics:acme:eu-west",
			"messaging.operation.type": "send", "messaging.operation.name": "emit",
		}))
	})

	It("is linked to by an instance that sends what another one has polled", func(ctx SpecContext) {
		polls, sends := record(), record()
		_, done := polls.Poll(ctx, answer(asked))
		done(answer(asked))
		sends.Sending(change(asked), true)(nil)
		poll, sent := polls.named("poll"), sends.named("send /")
		Expect(sent.Parent.IsValid()).To(BeFalse())
		Expect(sent.SpanContext.TraceID()).NotTo(Equal(poll.SpanContext.TraceID()))
		Expect(sent.Links).To(HaveLen(1))
		Expect(sent.Links[0].SpanContext.TraceID()).To(Equal(poll.SpanContext.TraceID()))
		Expect(sent.Links[0].SpanContext.SpanID()).To(Equal(poll.SpanContext.SpanID()))
		Expect(sends.TraceID(change(asked))).To(Equal(poll.SpanContext.TraceID().String()))
	})

	It("is recorded by every instance or by none, where a share of the traces is", func(ctx SpecContext) {
		for _, name := range []string{"traceidratio", "parentbased_traceidratio"} {
			share := func(o *Options) { o.Sampler, o.SamplerArg = name, "0.5" }
			polls, sends := record(share), record(share)
			recorded := 0
			for i := range 200 {
				at := asked.Add(time.Duration(i) * time.Second)
				_, done := polls.Poll(ctx, answer(at))
				done(answer(at))
				polls.Sending(change(at), true)(nil)
				sends.Sending(change(at), true)(nil)
				if polls.TraceID(change(at)) != "" {
					recorded++
				}
				Expect(sends.TraceID(change(at))).To(Equal(polls.TraceID(change(at))))
			}
			Expect(recorded).To(BeNumerically("~", 100, 40))
			Expect(polls.spans()).To(HaveLen(4 * recorded))
			Expect(sends.spans()).To(HaveLen(recorded))
		}
	})

	DescribeTable("is not recorded", func(ctx SpecContext, sampler string) {
		r := record(func(o *Options) { o.Sampler = sampler })
		inner, done := r.Poll(ctx, answer(asked))
		_, saved := r.Began(inner, "save", "acme", "eu-west")
		saved(nil)
		done(answer(asked))
		r.Sending(change(asked), true)(nil)
		r.Sending(change(asked.Add(time.Hour)), true)(nil)
		Expect(r.spans()).To(BeEmpty())
		Expect(r.TraceID(change(asked))).To(BeEmpty())
	}, Entry("with always_off", "always_off"), Entry("with parentbased_always_off", "parentbased_always_off"))

	It("is none where a value was found in the store, or where the program reads of its own accord", func(ctx SpecContext) {
		r := record()
		found := change(asked)
		found.Snapshot = true
		r.Sending(found, true)(nil)
		_, read := r.Began(ctx, "all_latest", "acme", "")
		read(nil)
		Expect(r.spans()).To(BeEmpty())
		Expect(r.TraceID(found)).To(BeEmpty())
	})

	It("says what failed, by a word and a sentence without a secret", func(ctx SpecContext) {
		r := record()
		failed := answer(asked)
		failed.Data, failed.Err = nil, &poller.Error{Code: "HTTP_503", HTTPStatus: 503, Text: "the upstream answered with status 503", Detail: "https://key@host/?token=secret", Cause: errors.New("secret")}
		_, done := r.Poll(ctx, failed)
		done(failed)
		for _, name := range []string{"poll", "GET"} {
			s := r.named(name)
			Expect(s.Status.Code).To(Equal(codes.Error))
			Expect(s.Status.Description).To(Equal("the upstream answered with status 503"))
			Expect(attributesOf(s)).To(HaveKeyWithValue("error.type", "HTTP_503"))
		}
		Expect(attributesOf(r.named("GET"))).To(HaveKeyWithValue("http.response.status_code", "503"))
	})

	It("says that the store or other instances were out of reach", func(ctx SpecContext) {
		r := record()
		inner, done := r.Poll(ctx, answer(asked))
		_, saved := r.Began(inner, "save", "acme", "eu-west")
		saved(context.DeadlineExceeded)
		done(answer(asked))
		r.Sending(change(asked), false)(errors.New("redis://user:secret@host is away"))
		Expect(attributesOf(r.named("save"))).To(HaveKeyWithValue("error.type", "TIMEOUT"))
		Expect(r.named("save").Status.Code).To(Equal(codes.Error))
		Expect(r.named("send /").Status.Description).NotTo(ContainSubstring("secret"))
	})

	It("remembers a bounded number of polls; an older one is linked to", func(ctx SpecContext) {
		r := record()
		for i := range maxPolls + 1 {
			_, done := r.Poll(ctx, answer(asked.Add(time.Duration(i)*time.Second)))
			done(answer(asked))
		}
		Expect(r.own.known).To(HaveLen(maxPolls))
		_, known := r.own.of(ofPoll("acme", "eu-west", asked).TraceID())
		Expect(known).To(BeFalse())
		_, known = r.own.of(ofPoll("acme", "eu-west", asked.Add(maxPolls*time.Second)).TraceID())
		Expect(known).To(BeTrue())
	})
})

var _ = Describe("the ids of a poll", func() {
	It("follow from what a store keeps of its value", func() {
		id := ofPoll("acme", "eu-west", asked)
		Expect(id.IsValid()).To(BeTrue())
		Expect(ofChange(change(asked.In(time.FixedZone("", 3600))))).To(Equal(id))
		seen := map[trace.TraceID]bool{id.TraceID(): true}
		for i := range 100 {
			for _, of := range []trace.SpanContext{
				ofPoll("acme"+strconv.Itoa(i), "eu-west", asked), ofPoll("acme", "eu-west"+strconv.Itoa(i), asked),
				ofPoll("acme", "eu-west", asked.Add(time.Duration(i+1)*time.Millisecond)),
			} {
				Expect(seen).NotTo(HaveKey(of.TraceID()))
				seen[of.TraceID()] = true
			}
		}
	})
})

var _ = Describe("a sampler", func() {
	DescribeTable("that is unknown is refused with a sentence", func(name, arg, sentence string) {
		_, err := NewSampler(name, arg)
		Expect(err).To(MatchError(ContainSubstring(sentence)))
	},
		Entry("a name", "jaeger_remote", "", "parentbased_traceidratio"),
		Entry("a share above 1", "traceidratio", "2", "0 to 1"),
		Entry("a negative share", "parentbased_traceidratio", "-0.1", "0 to 1"),
		Entry("no number", "traceidratio", "NaN", "0 to 1"),
	)
})
